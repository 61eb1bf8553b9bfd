// See customers.h.
#include "storage/customers.h"

#include <algorithm>
#include <stdexcept>

#include "storage/statement.h"
#include "trainer/durable/identifiers.h"
#include "trainer/durable/sha256.h"

namespace graft {
namespace {

constexpr int secret_length = 43;         // of 62 characters: 256 bits
constexpr std::size_t shown_prefix = 14;  // "graft_" and 8 characters
constexpr std::size_t longest_key_name = 64;
constexpr UnixTime use_seconds = 60;  // a key's last use is known to so many

bool is_customer_name(std::string_view name) {
  const auto letter_or_digit = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  };
  if (name.empty() || name.size() > 63 || !letter_or_digit(name[0])) {
    return false;
  }
  for (const char c : name) {
    if (!letter_or_digit(c) && c != '-') {
      return false;
    }
  }
  return true;
}

// What a table on a terminal can show without surprises.
void check_key_name(std::string_view name) {
  const auto shown = [](char c) { return c >= ' ' && c <= '~'; };
  const bool blank_ends = !name.empty() && (name.front() == ' ' || name.back() == ' ');
  if (name.size() <= longest_key_name && !blank_ends &&
      std::all_of(name.begin(), name.end(), shown))
    return;
  throw std::invalid_argument(
      "the name of a key has up to 64 letters, digits, blanks and signs of ASCII, and no blank at "
      "its ends");
}

// Keeps that a key was used. Nobody's request fails because this cannot be written down.
void keep_use(Database& database, std::int64_t key, UnixTime now) {
  try {
    Statement(database, "UPDATE api_keys SET last_used_at = ? WHERE id = ?", now, key).run();
  } catch (const StorageError&) {
  }
}

std::optional<Customer> read_customer(Statement& statement) {
  if (!statement.step()) {
    return std::nullopt;
  }
  return Customer{statement.integer(0), statement.text(1), statement.integer(2)};
}

std::optional<Customer> find_customer(Database& database, std::string_view name) {
  Statement statement(database, "SELECT id, name, created_at FROM customers WHERE name = ?", name);
  return read_customer(statement);
}

}  // namespace

Customer ensure_customer(Database& database, std::string_view name, UnixTime now) {
  if (!is_customer_name(name)) {
    throw std::invalid_argument("'" + std::string(name) +
                                "' is not a customer name: up to 63 of a-z, 0-9 and '-', "
                                "beginning with a letter or digit");
  }
  if (auto customer = find_customer(database, name)) {
    return *customer;
  }
  Statement(database,
            "INSERT INTO customers (name, created_at) VALUES (?, ?) ON CONFLICT DO NOTHING", name,
            now)
      .run();
  return find_customer(database, name).value();
}

NewApiKey create_api_key(Database& database, std::string_view customer_name, UnixTime now,
                         std::string_view key_name) {
  check_key_name(key_name);
  const Customer customer = ensure_customer(database, customer_name, now);
  NewApiKey made;
  made.secret = new_identifier("graft_", secret_length);
  made.key = {.id = new_identifier("key_"),
              .prefix = made.secret.substr(0, shown_prefix),
              .customer = customer.id,
              .customer_name = customer.name,
              .created_at = now};
  Statement(
      database,
      "INSERT INTO api_keys (public_id, customer_id, prefix, secret_sha256, created_at, name) "
      "VALUES (?, ?, ?, ?, ?, ?)",
      made.key.id, customer.id, made.key.prefix, sha256_of_bytes(made.secret), now, key_name)
      .run();
  return made;
}

std::vector<ListedApiKey> list_api_keys(Database& database) {
  Statement statement(
      database,
      "SELECT k.public_id, k.prefix, k.customer_id, c.name, k.created_at, k.revoked_at, "
      "k.name, k.last_used_at "
      "FROM api_keys k CROSS JOIN customers c ON c.id = k.customer_id ORDER BY k.id");
  std::vector<ListedApiKey> keys;
  while (statement.step()) {
    keys.push_back({{statement.text(0), statement.text(1), statement.integer(2), statement.text(3),
                     statement.integer(4), statement.optional_integer(5)},
                    statement.text(6),
                    statement.optional_integer(7)});
  }
  return keys;
}

bool revoke_api_key(Database& database, std::string_view id_or_prefix, UnixTime now) {
  // A key that is revoked already keeps its time.
  return Statement(database,
                   "UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?) "
                   "WHERE public_id = ? OR prefix = ?",
                   now, id_or_prefix, id_or_prefix)
             .run() > 0;
}

std::optional<Customer> authenticate(Database& database, std::string_view secret, UnixTime now) {
  std::optional<Customer> customer;
  std::int64_t key = 0;
  bool use_is_known = false;
  {
    Statement statement(database,
                        "SELECT c.id, c.name, c.created_at, k.id, k.last_used_at FROM api_keys k "
                        "CROSS JOIN customers c ON c.id = k.customer_id "
                        "WHERE k.secret_sha256 = ? AND k.revoked_at IS NULL",
                        sha256_of_bytes(secret));
    customer = read_customer(statement);
    if (!customer) return std::nullopt;
    key = statement.integer(3);
    const auto used = statement.optional_integer(4);
    use_is_known = used && *used <= now && now - *used < use_seconds;
  }
  if (!use_is_known) keep_use(database, key, now);
  return customer;
}

std::string download_signing_key(Database& database) {
  const auto find = [&database]() -> std::optional<std::string> {
    Statement statement(database, "SELECT value FROM settings WHERE name = 'download_signing_key'");
    return statement.step() ? std::optional(statement.text(0)) : std::nullopt;
  };
  if (auto key = find()) {
    return *key;
  }
  Statement(database,
            "INSERT INTO settings (name, value) VALUES ('download_signing_key', randomblob(32)) "
            "ON CONFLICT DO NOTHING")
      .run();
  return find().value();
}

}  // namespace graft
