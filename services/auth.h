// Who asks: API keys to customers, and protection of a keyless daemon from browsers of other sites.
// The authenticator is thread-safe: constant state, a database connection a call.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "services/http/server.h"
#include "services/service_context.h"

namespace graft {

// What customer a request without a known key belongs to.
enum class AuthMode {
  keys_optional,  // `auto` on loopback: `default`; known keys are their customer's
  keys_required,  // nobody: 401
  off,            // always `default`, keys are not looked at
};

// The customer that owns everything done without a key.
inline constexpr std::string_view default_customer_name = "default";

// Makes the customer `default` where it is missing. `context` must outlive the result.
//
// keys_optional: no key, or text that is no key of ours (the `openai` client always sends some), is
// `default`; text that begins like a key of ours ("graft_") but is unknown or revoked is 401, so a
// mistyped key never reads or writes another's data. Without required keys a Host header that is
// not this machine's, or an Origin header of another site, is 403: no page in a browser may speak
// for the person at this machine.
Authenticator make_authenticator(const ServiceContext& context, AuthMode mode);

// The key of "Authorization: Bearer KEY"; nullopt: none.
std::optional<std::string> bearer_key(const Request& request);

// "localhost", "127.x.y.z", "[::1]", each with or without a port.
bool is_loopback_host(std::string_view host);

}  // namespace graft
