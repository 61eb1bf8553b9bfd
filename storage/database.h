// One SQLite connection with our schema: WAL, foreign keys, synchronous=FULL (an accepted job
// survives a power cut). A Database belongs to one thread; open one a thread. Throws StorageError.
#pragma once

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

struct sqlite3;

namespace graft {

class StorageError : public std::runtime_error {
 public:
  StorageError(const std::string& what, bool is_disk_full)
      : std::runtime_error(what), disk_full(is_disk_full) {}
  const bool disk_full;  // SQLITE_FULL or ENOSPC: nothing was changed, try again with room
};

class Database {
 public:
  // Opens or makes `path` and migrates it to this program's schema; refuses a newer schema.
  static Database open(const std::filesystem::path& path);
  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;
  ~Database();

  sqlite3* handle() const;

 private:
  explicit Database(sqlite3* handle);
  sqlite3* handle_ = nullptr;
};

// Reads a row; throws StorageError where that is not possible.
void check_readable(Database& database);

// BEGIN IMMEDIATE … COMMIT; rolls back unless commit() was called. Does not nest: the functions of
// this room open their own, so callers need one only where the header of a function says "inside a
// transaction".
class Transaction {
 public:
  explicit Transaction(Database& database);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  Database& database_;
  bool open_ = true;
};

}  // namespace graft
