// One prepared statement: bind in order, step, read columns. Inside this room only.
// Belongs to its connection's thread. Throws StorageError with what SQLite says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "storage/database.h"
#include "storage/records.h"

struct sqlite3;
struct sqlite3_stmt;

namespace graft {

// Runs SQL without parameters or results; several statements are fine.
void execute(sqlite3* handle, const std::string& sql);

[[noreturn]] void throw_sqlite_error(sqlite3* handle);

class Statement {
 public:
  Statement(sqlite3* handle, std::string_view sql);
  template <class... Values>
  Statement(Database& database, std::string_view sql, const Values&... values)
      : Statement(database.handle(), sql) {
    (bind(values), ...);
  }
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // Each binds the next parameter.
  void bind(std::int64_t value);
  void bind(int value) { bind(std::int64_t{value}); }
  void bind(bool value) { bind(std::int64_t{value}); }
  void bind(double value);
  void bind(std::string_view text);
  void bind(const std::string& text) { bind(std::string_view(text)); }
  void bind(const char* text) { bind(std::string_view(text)); }
  void bind(std::nullopt_t);
  void bind(std::span<const std::byte> blob);
  template <class T>
  void bind(const std::optional<T>& value) {
    if (value) {
      bind(*value);
    } else {
      bind(std::nullopt);
    }
  }

  // True: a row is there to read. False: done.
  bool step();
  // Steps to the end; the number of rows that the statement changed (writes only).
  int run();
  // Makes it ready for new values.
  void reset();

  // Columns count from 0.
  bool is_null(int column) const;
  std::int64_t integer(int column) const;
  double real(int column) const;
  std::string text(int column) const;  // empty for NULL
  std::optional<std::int64_t> optional_integer(int column) const;
  std::optional<double> optional_real(int column) const;
  std::optional<std::string> optional_text(int column) const;

 private:
  void check(int code) const;

  sqlite3* handle_ = nullptr;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
};

// Reads up to `limit` rows of a listing. Binds the statement's last parameter, its LIMIT, to one
// more than that: the row too many tells that items follow.
template <class T, class ReadRow>
Page<T> read_page(Statement& statement, int limit, ReadRow&& read_row) {
  const std::size_t wanted = limit > 0 ? static_cast<std::size_t>(limit) : 0;
  statement.bind(static_cast<std::int64_t>(wanted) + 1);
  Page<T> page;
  while (!page.has_more && statement.step()) {
    if (page.items.size() < wanted) {
      page.items.push_back(read_row(statement));
    } else {
      page.has_more = true;
    }
  }
  return page;
}

}  // namespace graft
