// Customers and their API keys.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/database.h"
#include "storage/records.h"

namespace graft {

// The customer of that name, made where there is none. Throws std::invalid_argument for a bad name.
Customer ensure_customer(Database& database, std::string_view name, UnixTime now);

struct NewApiKey {
  ApiKey key;
  std::string secret;  // "graft_" and 43 characters; shown once
};
// `key_name`: for people, may be empty. Throws std::invalid_argument for a bad name of either.
NewApiKey create_api_key(Database& database, std::string_view customer_name, UnixTime now,
                         std::string_view key_name = "");
// A key as its operator sees it.
struct ListedApiKey {
  ApiKey key;
  std::string name;                      // may be empty
  std::optional<UnixTime> last_used_at;  // to the minute; nullopt: never
};
std::vector<ListedApiKey> list_api_keys(Database& database);
// By key id or by its shown prefix. False: no such key.
bool revoke_api_key(Database& database, std::string_view id_or_prefix, UnixTime now);
// The customer a secret belongs to; nullopt for unknown and revoked ones. Keeps the time of the
// key's use, which is written once a minute and never makes a request fail.
std::optional<Customer> authenticate(Database& database, std::string_view secret, UnixTime now);

// 32 random bytes made at first use and kept: the key that signs download links.
std::string download_signing_key(Database& database);

}  // namespace graft
