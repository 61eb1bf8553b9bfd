// Brings a database to this program's schema. Migrations only ever get appended: each is applied in
// a transaction of its own and counted in PRAGMA user_version, so a crash leaves a whole schema,
// the old or the new. Several processes and threads may open the same database at once. Throws
// StorageError.
#pragma once

#include <span>
#include <string_view>

struct sqlite3;

namespace graft {

struct Migration {
  int number = 0;  // rising
  std::string_view name;
  std::string_view sql;
};

// migrations/*.sql as of the build.
std::span<const Migration> embedded_migrations();

// Applies what is missing; refuses a schema newer than the last of `migrations`.
void migrate(sqlite3* handle, std::span<const Migration> migrations);

}  // namespace graft
