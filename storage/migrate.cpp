// See migrate.h. The number is read again inside each transaction: another opener may have been
// faster.
#include "storage/migrate.h"

#include <sqlite3.h>

#include <string>

#include "storage/database.h"
#include "storage/statement.h"

namespace graft {
namespace {

int schema_number(sqlite3* handle) {
  Statement statement(handle, "PRAGMA user_version");
  statement.step();
  return static_cast<int>(statement.integer(0));
}

void apply(sqlite3* handle, const Migration& migration) {
  execute(handle, "BEGIN IMMEDIATE");
  try {
    if (schema_number(handle) < migration.number) {
      execute(handle, std::string(migration.sql));
      execute(handle, "PRAGMA user_version = " + std::to_string(migration.number));
    }
    execute(handle, "COMMIT");
  } catch (const StorageError& error) {
    if (sqlite3_get_autocommit(handle) == 0) {
      sqlite3_exec(handle, "ROLLBACK", nullptr, nullptr, nullptr);
    }
    throw StorageError("migration " + std::string(migration.name) + ": " + error.what(),
                       error.disk_full);
  }
}

}  // namespace

void migrate(sqlite3* handle, std::span<const Migration> migrations) {
  const int known = migrations.empty() ? 0 : migrations.back().number;
  const int found = schema_number(handle);
  if (found > known) {
    throw StorageError("the database has schema " + std::to_string(found) +
                           ", made by a newer Graft; this one knows schemas up to " +
                           std::to_string(known) + ": start the newer program, or restore a backup",
                       false);
  }
  for (const Migration& migration : migrations) {
    if (migration.number > found) {
      apply(handle, migration);
    }
  }
}

}  // namespace graft
