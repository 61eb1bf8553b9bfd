// Which route a method and path lead to.
#include "services/http/router.h"

#include <doctest/doctest.h>

using namespace graft;

namespace {

Response nothing(const Request&) {
  return {};
}

}  // namespace

TEST_CASE("exact segments win over members, from the left, whatever the order of adding") {
  Router router;
  router.add("GET", "/v1/{kind}/list", nothing);
  router.add("GET", "/v1/tasks/{task}", nothing);
  router.add("GET", "/v1/tasks/list", nothing);
  CHECK(router.match("GET", "/v1/tasks/list").route->pattern == "/v1/tasks/list");
  CHECK(router.match("GET", "/v1/tasks/other").route->pattern == "/v1/tasks/{task}");
  CHECK(router.match("GET", "/v1/files/list").route->pattern == "/v1/{kind}/list");
}

TEST_CASE("members are decoded segments; colons and encoded slashes stay inside") {
  Router router;
  router.add("DELETE", "/v1/models/{model}", nothing);
  auto match = router.match("DELETE", "/v1/models/ft:minilm:acme:s:abc");
  REQUIRE(match.route != nullptr);
  CHECK(match.path_members.at("model") == "ft:minilm:acme:s:abc");
  CHECK(router.match("DELETE", "/v1/models/ft%3Aa%2Fb").path_members.at("model") == "ft:a/b");
  CHECK(router.match("DELETE", "/v1/models/a/b").route == nullptr);
  CHECK_THROWS_AS(router.match("DELETE", "/v1/models/%e2%28"), HttpError);
}

TEST_CASE("no path is 404, another method 405") {
  Router router;
  router.add("GET", "/a/{b}", nothing);
  router.add("POST", "/a/{b}", nothing);
  router.add("DELETE", "/a/x", nothing);
  CHECK(router.match("GET", "/b").allowed_methods.empty());
  CHECK(router.match("GET", "/b").route == nullptr);
  const auto match = router.match("PUT", "/a/x");
  CHECK(match.route == nullptr);
  CHECK(match.allowed_methods == std::vector<std::string>{"DELETE", "GET", "HEAD", "POST"});
  CHECK(router.match("HEAD", "/a/x").route->method == "GET");
}

TEST_CASE("empty segments are not names, and slashes are not merged") {
  Router router;
  router.add("GET", "/a/{b}", nothing);
  router.add("GET", "/", nothing);
  CHECK(router.match("GET", "/a/").route == nullptr);
  CHECK(router.match("GET", "/a//").route == nullptr);
  CHECK(router.match("GET", "//a/b").route == nullptr);
  CHECK(router.match("GET", "/").route != nullptr);
}

TEST_CASE("targets: path, query in order, absolute form") {
  const auto target = parse_target("/v1/jobs?limit=5&metadata%5Bteam%5D=a+b&x&limit=6");
  REQUIRE(target);
  CHECK(target->path == "/v1/jobs");
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"limit", "5"}, {"metadata[team]", "a b"}, {"x", ""}, {"limit", "6"}};
  CHECK(target->query == expected);
  CHECK(parse_target("http://host:80/a+b?c")->path == "/a+b");
  CHECK(parse_target("http://host")->path == "/");
  CHECK_FALSE(parse_target("*"));
  CHECK_FALSE(parse_target("/a#b"));
  CHECK_FALSE(parse_target("/%4"));
}

TEST_CASE("UTF-8 is checked as the standard has it") {
  CHECK(is_utf8("aé漢😀"));
  CHECK_FALSE(is_utf8("\xC0\x80"));          // overlong
  CHECK_FALSE(is_utf8("\xE0\x80\x80"));      // overlong
  CHECK_FALSE(is_utf8("\xED\xA0\x80"));      // surrogate
  CHECK_FALSE(is_utf8("\xF4\x90\x80\x80"));  // beyond Unicode
  CHECK_FALSE(is_utf8("\xE2\x82"));          // cut off
}

TEST_CASE(
    "a query parameter that the route does not read, or that comes twice, is refused and named") {
  Router router;
  const auto refusal = [&](const std::string& target) -> std::optional<HttpError> {
    const auto parts = parse_target(target);
    REQUIRE(parts);
    Request request;
    request.query = parts->query;
    try {
      check_query(*router.match("GET", parts->raw_path).route, request);
    } catch (const HttpError& error) {
      return error;
    }
    return std::nullopt;
  };
  const Handler nothing = [](const Request&) { return Response(); };
  router.add("GET", "/list", nothing).takes({"limit", "metadata[]"});
  router.add("GET", "/one", nothing);
  router.add("GET", "/page", nothing).ignores_query();
  CHECK_FALSE(refusal("/list?limit=1&metadata[a]=b&metadata[b]=b"));
  CHECK_FALSE(refusal("/one"));
  CHECK_FALSE(refusal("/page?utm=1"));
  const auto status = refusal("/list?limit=1&status=failed");
  REQUIRE(status);
  CHECK(status->status == 400);
  CHECK(status->code == "unknown_parameter");
  CHECK(status->param == "status");
  CHECK(std::string(status->what()) ==
        "Unknown query parameter 'status': GET /list takes limit, metadata[].");
  CHECK(refusal("/list?metadata=x"));
  CHECK(refusal("/list?limit[a]=x"));
  CHECK(refusal("/list?Limit=1"));
  CHECK(std::string(refusal("/one?limit=1")->what()).ends_with("GET /one takes none."));
  for (const std::string query :
       {"limit=1&limit=2", "limit=1&metadata[a]=b&limit=", "limit&limit", "limit=1&limi%74=1"}) {
    const auto twice = refusal("/list?" + query);
    REQUIRE_MESSAGE(twice, query);
    CHECK(twice->status == 400);
    CHECK(twice->code == "invalid_value");
    CHECK(twice->param == "limit");
    CHECK(std::string(twice->what()) ==
          "The query parameter 'limit' is given twice; send it once.");
  }
  CHECK(refusal("/list?metadata[a]=b&metadata[a]=c")->param == "metadata[a]");
  CHECK_FALSE(refusal("/page?utm=1&utm=2"));
}
