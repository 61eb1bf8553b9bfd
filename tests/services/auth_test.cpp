// Who a request belongs to, and which browsers are kept out.
#include "services/auth.h"

#include "tests/services/route_fixture.h"

namespace graft {
namespace {

Answer ask(RouteFixture& routes, Headers headers) {
  if (!headers.count("authorization")) headers["authorization"] = "";
  return routes.call("GET", "/v1/models", "", headers);
}

std::string customer_of(RouteFixture& routes, const Headers& headers) {
  Request request;
  request.headers = headers;
  return routes.authenticate(request)->name;
}

}  // namespace

TEST_CASE("required keys: no key and a wrong key are 401 with a code each") {
  RouteFixture routes(AuthMode::keys_required);
  const auto missing = error_of(ask(routes, {}), 401);
  CHECK(missing["code"] == "missing_api_key");
  CHECK(missing["type"] == "authentication_error");
  for (const char* header : {"Bearer wrong", "Bearer graft_wrong"})
    CHECK(error_of(ask(routes, {{"authorization", header}}), 401)["code"] == "invalid_api_key");
  for (const char* header : {"Basic dXNlcjpwYXNz", "Bearer", "Bearer ", "nonsense"})
    CHECK(error_of(ask(routes, {{"authorization", header}}), 401)["code"] == "missing_api_key");
  CHECK(ask(routes, {}).header("www-authenticate") == "Bearer");
}

TEST_CASE("a key is its customer's, whatever the case of the scheme") {
  RouteFixture routes(AuthMode::keys_required);
  CHECK(customer_of(routes, {{"authorization", "Bearer " + routes.acme_key}}) == "acme");
  CHECK(customer_of(routes, {{"authorization", "bearer  " + routes.rival_key}}) == "rival");
}

TEST_CASE("a revoked key opens nothing, with keys optional too") {
  for (const auto mode : {AuthMode::keys_required, AuthMode::keys_optional}) {
    RouteFixture routes(mode);
    auto database = routes.databases.checkout();
    const auto made = create_api_key(*database, "acme", routes.now);
    const Headers headers = {{"authorization", "Bearer " + made.secret}};
    CHECK(ask(routes, headers).status == 200);
    REQUIRE(revoke_api_key(*database, made.key.id, routes.now));
    CHECK(error_of(ask(routes, headers), 401)["code"] == "invalid_api_key");
  }
}

TEST_CASE("optional keys: none and foreign ones are customer default, known ones their own") {
  RouteFixture routes(AuthMode::keys_optional);
  CHECK(customer_of(routes, {}) == "default");
  CHECK(customer_of(routes, {{"authorization", "Bearer sk-whatever"}}) == "default");
  CHECK(customer_of(routes, {{"authorization", "Bearer " + routes.acme_key}}) == "acme");
  // One character off a key of ours is a mistake, not a stranger's placeholder.
  CHECK(error_of(ask(routes, {{"authorization", "Bearer " + routes.acme_key + "x"}}),
                 401)["code"] == "invalid_api_key");
}

TEST_CASE("authentication off: every key is customer default") {
  RouteFixture routes(AuthMode::off);
  CHECK(customer_of(routes, {{"authorization", "Bearer " + routes.acme_key}}) == "default");
  CHECK(customer_of(routes, {{"authorization", "Bearer graft_wrong"}}) == "default");
}

TEST_CASE("without required keys a page of another site is refused") {
  for (const auto mode : {AuthMode::keys_optional, AuthMode::off}) {
    RouteFixture routes(mode);
    const auto status = [&](const char* host, const char* origin) {
      return ask(routes, {{"host", host}, {"origin", origin}}).status;
    };
    CHECK(status("127.0.0.1:8080", "http://127.0.0.1:8080") == 200);
    CHECK(status("LOCALHOST:8080", "http://localhost:8080") == 200);
    CHECK(status("127.0.0.1:8080", "https://evil.example") == 403);
    CHECK(status("127.0.0.1:8080", "http://127.0.0.1:3000") == 403);
    CHECK(status("127.0.0.1:8080", "http://127.0.0.1:8080.evil.example") == 403);
    CHECK(status("127.0.0.1:8080", "null") == 403);
    const auto error = error_of(ask(routes, {{"host", "evil.example:8080"}}), 403);
    CHECK(error["code"] == "host_not_allowed");
    CHECK(error["type"] == "permission_error");
  }
}

TEST_CASE("with required keys any host and origin may ask, the key decides") {
  RouteFixture routes(AuthMode::keys_required);
  CHECK(ask(routes, {{"host", "graft.example"},
                     {"origin", "https://pages.example"},
                     {"authorization", "Bearer " + routes.acme_key}})
            .status == 200);
}

TEST_CASE("hosts of this machine are told from those that only look so") {
  for (const char* host : {"localhost", "LocalHost:1", "127.0.0.1", "127.0.0.1:65535",
                           "127.1.2.3:8", "[::1]", "[::1]:8080"})
    CHECK_MESSAGE(is_loopback_host(host), host);
  for (const char* host : {"", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example",
                           "127.evil", "1127.0.0.1", "127.0.0", "127.0.0.1:80x", "[::2]", "[::1]x",
                           "10.0.0.1:80", "0.0.0.0", "localhost:", "127.0.0.1@evil"})
    CHECK_FALSE_MESSAGE(is_loopback_host(host), host);
}

}  // namespace graft
