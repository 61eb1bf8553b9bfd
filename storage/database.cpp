// See database.h.
#include "storage/database.h"

#include <fcntl.h>
#include <sqlite3.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>

#include "storage/migrate.h"
#include "storage/statement.h"
#include "trainer/durable/descriptor.h"

namespace graft {
namespace {

// Longer than any transaction of ours; the daemon's threads and `graftd keys` write side by side.
constexpr int busy_timeout_ms = 20'000;

// Made before SQLite would, because only the daemon's user may read customers' rows; the log and
// index files beside it take over its mode. A database that is there is never opened here: closing
// any descriptor of it would drop the locks of this process's connections, and another process
// would take its log away.
void make_private_file(const std::filesystem::path& path) {
  static std::mutex one_at_a_time;  // none of our threads connects between this open and close
  const std::lock_guard lock(one_at_a_time);
  const Descriptor file = try_open_file(path, O_RDWR | O_CREAT | O_EXCL, 0600);
  const int error = errno;
  if (!file && error != EEXIST)
    throw StorageError("cannot open the database " + path.string() + ": " + std::strerror(error),
                       is_full_disk(error));
}

// Two that open a new database at once both switch it, and SQLite asks no busy handler then.
void switch_to_log(sqlite3* handle) {
  constexpr int pause_ms = 5;
  for (int waited = 0;; waited += pause_ms) {
    const int code = sqlite3_exec(handle, "PRAGMA journal_mode = WAL", nullptr, nullptr, nullptr);
    if (code == SQLITE_OK) return;
    if ((code & 0xff) != SQLITE_BUSY || waited >= busy_timeout_ms) throw_sqlite_error(handle);
    std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
  }
}

}  // namespace

Database Database::open(const std::filesystem::path& path) {
  make_private_file(path);
  sqlite3* handle = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &handle,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  Database database(handle);
  try {
    if (code != SQLITE_OK) {
      throw_sqlite_error(handle);
    }
    sqlite3_busy_timeout(handle, busy_timeout_ms);
    switch_to_log(handle);
    execute(handle,
            "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
            "PRAGMA recursive_triggers = ON");
    migrate(handle, embedded_migrations());
  } catch (const StorageError& error) {
    throw StorageError(path.string() + ": " + error.what(), error.disk_full);
  }
  return database;
}

Database::Database(sqlite3* handle) : handle_(handle) {}

Database::Database(Database&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}

Database& Database::operator=(Database&& other) noexcept {
  std::swap(handle_, other.handle_);
  return *this;
}

Database::~Database() {
  sqlite3_close_v2(handle_);
}

sqlite3* Database::handle() const {
  return handle_;
}

void check_readable(Database& database) {
  Statement(database, "SELECT 1 FROM customers WHERE id = 1").step();
}

Transaction::Transaction(Database& database) : database_(database) {
  execute(database.handle(), "BEGIN IMMEDIATE");
}

Transaction::~Transaction() {
  // SQLite has rolled back by itself after some errors, a full disk among them.
  if (open_ && sqlite3_get_autocommit(database_.handle()) == 0) {
    sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
  }
}

void Transaction::commit() {
  execute(database_.handle(), "COMMIT");
  open_ = false;
}

}  // namespace graft
