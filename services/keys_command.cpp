// Secrets go to stdout and nowhere else, so that they can be piped on; what is said about them goes
// to stderr.
#include "services/keys_command.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "services/data_directory.h"
#include "storage/customers.h"

namespace graft {
namespace {

using Row = std::array<std::string, 7>;

UnixTime now() {
  return std::time(nullptr);
}

// In UTC, as the log has it.
std::string shown_time(UnixTime time) {
  char text[24];
  std::tm parts{};
  gmtime_r(&time, &parts);
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &parts);
  return text;
}

std::string shown_time(const std::optional<UnixTime>& time) {
  return time ? shown_time(*time) : "-";
}

void print_table(const std::vector<Row>& rows) {
  std::array<std::size_t, std::tuple_size_v<Row>> widths{};
  for (const Row& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i)
      line += row[i] + std::string(widths[i] - row[i].size() + 2, ' ');
    line.erase(line.find_last_not_of(' ') + 1);
    std::puts(line.c_str());
  }
}

int create(const std::filesystem::path& data_dir, const KeysCommand& command) {
  DataDirectory::make(data_dir);
  Database database = Database::open(DataDirectory::database_in(data_dir));
  const NewApiKey made = create_api_key(database, command.subject, now(), command.key_name);
  std::fprintf(stderr, "Key %s of %s. It is shown this once:\n", made.key.id.c_str(),
               command.subject.c_str());
  std::puts(made.secret.c_str());
  return 0;
}

int list(const std::filesystem::path& data_dir) {
  std::vector<ListedApiKey> keys;
  const std::filesystem::path path = DataDirectory::database_in(data_dir);
  if (std::filesystem::exists(path)) {
    Database database = Database::open(path);
    keys = list_api_keys(database);
  }
  if (keys.empty()) {
    std::fprintf(stderr, "No keys in %s. Make one: graftd --data-dir %s keys create CUSTOMER\n",
                 data_dir.c_str(), data_dir.c_str());
    return 0;
  }
  std::vector<Row> rows{{"ID", "KEY", "CUSTOMER", "NAME", "CREATED (UTC)", "LAST USED", "REVOKED"}};
  for (const auto& [key, name, last_used_at] : keys)
    rows.push_back({key.id, key.prefix + "...", key.customer_name, name.empty() ? "-" : name,
                    shown_time(key.created_at), shown_time(last_used_at),
                    shown_time(key.revoked_at)});
  print_table(rows);
  return 0;
}

int revoke(const std::filesystem::path& data_dir, const std::string& key) {
  const std::filesystem::path path = DataDirectory::database_in(data_dir);
  if (std::filesystem::exists(path)) {
    Database database = Database::open(path);
    if (revoke_api_key(database, key, now())) {
      std::fprintf(stderr, "Key %s is revoked.\n", key.c_str());
      return 0;
    }
  }
  std::fprintf(stderr, "graftd: no key '%s' in %s; see graftd --data-dir %s keys list\n",
               key.c_str(), data_dir.c_str(), data_dir.c_str());
  return 1;
}

}  // namespace

int run_keys_command(const std::filesystem::path& data_dir, const KeysCommand& command) {
  switch (command.action) {
    case KeysCommand::Action::create:
      return create(data_dir, command);
    case KeysCommand::Action::list:
      return list(data_dir);
    case KeysCommand::Action::revoke:
      return revoke(data_dir, command.subject);
  }
  return 1;
}

}  // namespace graft
