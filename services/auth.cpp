#include "services/auth.h"

#include <algorithm>

#include "storage/customers.h"
#include "trainer/durable/plain_text.h"

namespace graft {

namespace {

constexpr std::string_view key_prefix = "graft_";  // every key of ours begins so

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 && text.find_first_not_of("0123456789") == text.npos;
}

// A dotted address of 127.0.0.0/8: "127." and three numbers.
bool is_loopback_v4(std::string_view host) {
  if (!host.starts_with("127.") || host.size() > 15) return false;
  return std::count(host.begin(), host.end(), '.') == 3 && host.back() != '.' &&
         host.find("..") == host.npos && host.find_first_not_of("0123456789.") == host.npos;
}

// Where no key is asked for, the browser of the person at this machine must not be lent to
// strangers: neither by a page of another site (Origin) nor by a name that was made to point here
// (DNS rebinding, Host).
void refuse_other_sites(const Request& request) {
  const auto host = request.header("host");
  if (host && !is_loopback_host(*host))
    throw HttpError(403,
                    "Without API keys this service answers to this machine's own names only "
                    "(localhost, 127.0.0.1), not to '" +
                        *host + "'. Use one of those, or start graftd with --auth required.",
                    "host_not_allowed");
  const auto origin = request.header("origin");
  if (!origin) return;
  const auto name = lower_case(*origin);
  const bool own =
      host && (name == "http://" + lower_case(*host) || name == "https://" + lower_case(*host));
  if (!own)
    throw HttpError(403,
                    "Without API keys this service does not answer pages of other sites (Origin '" +
                        *origin + "'). Start graftd with --auth required to use it from there.",
                    "origin_not_allowed");
}

[[noreturn]] void refuse_key(bool given) {
  HttpError error(401,
                  given ? "The API key is not known or was revoked. Make one with 'graftd keys "
                          "create CUSTOMER'."
                        : "An API key is needed: send the header 'Authorization: Bearer KEY'. Make "
                          "a key with 'graftd keys create CUSTOMER'.",
                  given ? "invalid_api_key" : "missing_api_key");
  error.headers.emplace_back("www-authenticate", "Bearer");
  throw error;
}

}  // namespace

std::optional<std::string> bearer_key(const Request& request) {
  const auto header = request.header("authorization");
  constexpr std::string_view scheme = "bearer ";
  if (!header || header->size() <= scheme.size() ||
      lower_case(std::string_view(*header).substr(0, scheme.size())) != scheme)
    return std::nullopt;
  const auto key = trimmed(std::string_view(*header).substr(scheme.size()), " ");
  return key.empty() ? std::nullopt : std::optional<std::string>(key);
}

bool is_loopback_host(std::string_view host) {
  std::string name = lower_case(host);
  if (name.starts_with("[::1]")) {
    const std::string_view rest = std::string_view(name).substr(5);
    return rest.empty() || (rest.front() == ':' && is_port(rest.substr(1)));
  }
  if (const auto colon = name.find(':'); colon != std::string::npos) {
    if (!is_port(std::string_view(name).substr(colon + 1))) return false;
    name.resize(colon);
  }
  return name == "localhost" || is_loopback_v4(name);
}

Authenticator make_authenticator(const ServiceContext& context, AuthMode mode) {
  auto database = context.databases.checkout();
  const auto known = [](const Customer& customer) { return Caller{customer.id, customer.name}; };
  const Caller keyless = known(ensure_customer(*database, default_customer_name, context.now()));
  return [&context, mode, known, keyless](const Request& request) -> std::optional<Caller> {
    if (mode != AuthMode::keys_required) refuse_other_sites(request);
    if (mode == AuthMode::off) return keyless;
    const auto key = bearer_key(request);
    if (key && key->starts_with(key_prefix)) {
      auto connection = context.databases.checkout();
      const auto customer = authenticate(*connection, *key, context.now());
      if (customer) return known(*customer);
      refuse_key(true);
    }
    if (mode == AuthMode::keys_required) refuse_key(key.has_value());
    return keyless;
  };
}

}  // namespace graft
