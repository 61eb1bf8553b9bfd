// The embedded page: types, caching, conditional requests.
#include "services/http/static_files.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace graft;

namespace {

std::string field(const Response& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return "";
}

Response get(const Router& router, const std::string& path, const std::string& if_none_match = "") {
  Request request;
  request.method = "GET";
  if (!if_none_match.empty()) request.headers["if-none-match"] = if_none_match;
  const auto match = router.match("GET", path);
  REQUIRE(match.route != nullptr);
  CHECK(match.route->access == Access::anyone);
  return match.route->handler(request);
}

}  // namespace

TEST_CASE("the page is at /, may load only its own files, and is asked for again") {
  Router router;
  add_static_routes(router, embedded_files());
  const Response page = get(router, "/");
  CHECK(page.content_type == "text/html; charset=utf-8");
  CHECK(std::get<std::string>(page.body).find("<script") != std::string::npos);
  CHECK(field(page, "content-security-policy").starts_with("default-src 'self'"));
  CHECK(field(page, "cache-control") == "no-cache");
}

TEST_CASE("the page's scripts and styles are there and kept for ever") {
  Router router;
  add_static_routes(router, embedded_files());
  const std::string page = std::get<std::string>(get(router, "/").body);
  int found = 0;
  for (std::size_t at = page.find("/assets/"); at != page.npos;
       at = page.find("/assets/", at + 1)) {
    const Response asset = get(router, page.substr(at, page.find('"', at) - at));
    CHECK(field(asset, "cache-control").find("immutable") != std::string::npos);
    CHECK(asset.content_type != "application/octet-stream");
    CHECK_FALSE(std::get<std::string>(asset.body).empty());
    ++found;
  }
  CHECK(found >= 1);
}

TEST_CASE("who has a file already gets 304") {
  Router router;
  add_static_routes(router, embedded_files());
  const std::string etag = field(get(router, "/openapi.json"), "etag");
  CHECK(get(router, "/openapi.json").status == 200);
  CHECK(get(router, "/openapi.json", "W/" + etag + ", \"x\"").status == 304);
  CHECK(get(router, "/openapi.json", "\"other\"").status == 200);
}

TEST_CASE("every byte survives the way into the program") {
  const auto files = embedded_files();
  const auto document = std::find_if(files.begin(), files.end(), [](const StaticFile& file) {
    return file.path == "/openapi.json";
  });
  REQUIRE(document != files.end());
  CHECK(document->bytes.starts_with("{\"openapi\":"));
  CHECK(document->bytes.ends_with("}"));
}
