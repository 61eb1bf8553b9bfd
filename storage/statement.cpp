// See statement.h.
#include "storage/statement.h"

#include <sqlite3.h>

#include <cassert>

#include "trainer/durable/descriptor.h"

namespace graft {

void throw_sqlite_error(sqlite3* handle) {
  const int code = sqlite3_errcode(handle);
  const bool disk_full =
      code == SQLITE_FULL || (code == SQLITE_IOERR && is_full_disk(sqlite3_system_errno(handle)));
  throw StorageError(disk_full ? "the disk is full: " + std::string(sqlite3_errmsg(handle))
                               : "database: " + std::string(sqlite3_errmsg(handle)),
                     disk_full);
}

void execute(sqlite3* handle, const std::string& sql) {
  if (sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    throw_sqlite_error(handle);
  }
}

Statement::Statement(sqlite3* handle, std::string_view sql) : handle_(handle) {
  check(sqlite3_prepare_v2(handle, sql.data(), static_cast<int>(sql.size()), &statement_, nullptr));
}

Statement::~Statement() {
  sqlite3_finalize(statement_);
}

void Statement::check(int code) const {
  if (code != SQLITE_OK) {
    throw_sqlite_error(handle_);
  }
}

void Statement::bind(std::int64_t value) {
  check(sqlite3_bind_int64(statement_, ++bound_, value));
}

void Statement::bind(double value) {
  check(sqlite3_bind_double(statement_, ++bound_, value));
}

void Statement::bind(std::string_view text) {
  // An empty view may have no address, which SQLite would take for NULL.
  check(sqlite3_bind_text64(statement_, ++bound_, text.empty() ? "" : text.data(), text.size(),
                            SQLITE_TRANSIENT, SQLITE_UTF8));
}

void Statement::bind(std::nullopt_t) {
  check(sqlite3_bind_null(statement_, ++bound_));
}

void Statement::bind(std::span<const std::byte> blob) {
  check(sqlite3_bind_blob64(statement_, ++bound_,
                            blob.empty() ? "" : static_cast<const void*>(blob.data()), blob.size(),
                            SQLITE_TRANSIENT));
}

bool Statement::step() {
  assert(bound_ == sqlite3_bind_parameter_count(statement_));
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) {
    return true;
  }
  if (code != SQLITE_DONE) {
    throw_sqlite_error(handle_);
  }
  return false;
}

int Statement::run() {
  while (step()) {
  }
  return sqlite3_changes(handle_);
}

void Statement::reset() {
  sqlite3_reset(statement_);
  bound_ = 0;
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

double Statement::real(int column) const {
  return sqlite3_column_double(statement_, column);
}

std::string Statement::text(int column) const {
  // The bytes first asked for as what they are, then counted: no conversion happens in between.
  const void* bytes = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return bytes == nullptr
             ? std::string()
             : std::string(static_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

std::optional<std::int64_t> Statement::optional_integer(int column) const {
  return is_null(column) ? std::nullopt : std::optional(integer(column));
}

std::optional<double> Statement::optional_real(int column) const {
  return is_null(column) ? std::nullopt : std::optional(real(column));
}

std::optional<std::string> Statement::optional_text(int column) const {
  return is_null(column) ? std::nullopt : std::optional(text(column));
}

}  // namespace graft
