// Downloads of adapters: signed links, ranges, conditions, and bytes that went bad.
#include "services/http/byte_range.h"
#include "services/routes/download_token.h"
#include "tests/services/route_fixture.h"

namespace graft {
namespace {

const std::string zip = "/v1/tasks/mood/versions/1/adapter.zip";
const std::string bundle = "0123456789";

std::string link_of(RouteFixture& routes, int version = 1) {
  return routes.call("GET", "/v1/tasks/mood/versions/" + std::to_string(version))
      .json()["download_url"];
}

// Without any key.
Answer fetch(RouteFixture& routes, const std::string& target, Headers headers = {}) {
  headers["authorization"] = "";
  return routes.call("GET", target, "", headers);
}

}  // namespace

TEST_CASE("a download is the bundle, named by its hash") {
  RouteFixture routes;
  const auto made = routes.add_version("mood", bundle);
  const auto answer = routes.call("GET", zip);
  CHECK(answer.status == 200);
  CHECK(answer.body == bundle);
  CHECK(answer.content_type == "application/zip");
  CHECK(answer.header("etag") == "\"" + made.bundle_sha256 + "\"");
  CHECK(answer.header("accept-ranges") == "bytes");
  CHECK(answer.header("content-disposition") == "attachment; filename=\"mood-v1.zip\"");
}

TEST_CASE("HEAD answers like GET, without the body") {
  RouteFixture routes;
  routes.add_version("mood", bundle);
  const auto head = routes.call("HEAD", zip, "", {{"range", "bytes=0-1"}});
  CHECK(head.status == 200);
  CHECK(head.body.empty());
  CHECK(head.headers == routes.call("GET", zip).headers);
  CHECK(fetch(routes, link_of(routes)).status == 200);
}

TEST_CASE("without key and link there is no download") {
  RouteFixture routes;
  routes.add_version("mood", bundle);
  CHECK(error_of(fetch(routes, zip), 401)["code"] == "missing_api_key");
}

TEST_CASE("a signed link needs no key until it expires") {
  RouteFixture routes;
  routes.add_version("mood", bundle);
  const auto link = link_of(routes);
  CHECK(fetch(routes, link).body == bundle);
  routes.now += 3600;
  CHECK(fetch(routes, link).status == 200);
  routes.now += 1;
  const auto error = error_of(fetch(routes, link), 403);
  CHECK(error["code"] == "invalid_token");
  CHECK(std::string(error["message"]).starts_with("The download link has expired"));
}

TEST_CASE("a signed link opens that one download and nothing else") {
  RouteFixture routes;
  routes.add_version("mood", bundle);
  routes.add_version("mood", "second");
  routes.add_version("other", "other");
  const auto link = link_of(routes);
  const auto token = link.substr(link.find("token="));
  for (const char* path :
       {"/v1/tasks/mood/versions/2/adapter.zip", "/v1/tasks/other/versions/1/adapter.zip",
        "/v1/tasks/none/versions/1/adapter.zip"})
    CHECK(error_of(fetch(routes, path + ("?" + token)), 403)["code"] == "invalid_token");
  CHECK(fetch(routes, "/v1/tasks/mood/versions/1?" + token).status == 401);
  // A link that is no good is not helped by a key: the client meant the link.
  CHECK(routes.call("GET", zip + "?token=bad").status == 403);
}

TEST_CASE("a token changed in any part is refused") {
  RouteFixture routes;
  routes.add_version("mood", bundle);
  const auto link = link_of(routes);
  const auto at = link.find("token=") + 6;
  for (std::size_t i = at; i < link.size(); ++i) {
    auto changed = link;
    changed[i] = changed[i] == '1' ? '2' : '1';
    CAPTURE(changed);
    CHECK(fetch(routes, changed).status == 403);
  }
  for (const char* token : {"", ".", "..", "1.2", "x.1.y", "-1.1.a", "9999999999999999999999.1.a"})
    CHECK(fetch(routes, zip + "?token=" + token).status == 403);
}

TEST_CASE("tokens are bound to customer, task, version and expiry") {
  const DownloadClaim claim{1, "task_a", 2, 300};
  const auto token = sign_download("key", claim);
  CHECK(token.starts_with("300.1."));
  CHECK(verify_download_token("key", token, claim));
  CHECK_FALSE(verify_download_token("other", token, claim));
  CHECK_FALSE(verify_download_token("key", token, {2, "task_a", 2, 300}));
  CHECK_FALSE(verify_download_token("key", token, {1, "task_b", 2, 300}));
  CHECK_FALSE(verify_download_token("key", token, {1, "task_a", 3, 300}));
  CHECK_FALSE(verify_download_token("key", token, {1, "task_a", 2, 301}));
}

TEST_CASE("one range is a part, several or broken ones are the whole") {
  RouteFixture routes;
  routes.add_version("mood", bundle);
  const auto get = [&](const char* range) {
    return routes.call("GET", zip, "", {{"range", range}});
  };
  struct Case {
    const char *range, *body, *content_range;
  };
  for (const auto& [range, body, content_range] :
       {Case{"bytes=0-3", "0123", "bytes 0-3/10"}, Case{"bytes=4-", "456789", "bytes 4-9/10"},
        Case{"bytes=-3", "789", "bytes 7-9/10"}, Case{"bytes=8-100", "89", "bytes 8-9/10"},
        Case{"bytes=-100", "0123456789", "bytes 0-9/10"}, Case{"bytes=9-9", "9", "bytes 9-9/10"}}) {
    CAPTURE(range);
    const auto part = get(range);
    CHECK(part.status == 206);
    CHECK(part.body == body);
    CHECK(part.header("content-range") == content_range);
  }
  for (const char* range : {"bytes=10-", "bytes=10-20", "bytes=-0"}) {
    CAPTURE(range);
    const auto beyond = get(range);
    CHECK(beyond.status == 416);
    CHECK(beyond.body.empty());
    CHECK(beyond.header("content-range") == "bytes */10");
  }
  for (const char* range : {"bytes=0-1,3-4", "bytes=5-2", "bytes=a-b", "bytes=", "items=0-1",
                            "bytes=-", "bytes=0-99999999999999999999999"}) {
    CAPTURE(range);
    CHECK(get(range).status == 200);
    CHECK(get(range).body == bundle);
  }
}

TEST_CASE("a client that has the bundle is not sent it again") {
  RouteFixture routes;
  const auto etag = "\"" + routes.add_version("mood", bundle).bundle_sha256 + "\"";
  const auto status = [&](const std::string& known) {
    return routes.call("GET", zip, "", {{"if-none-match", known}}).status;
  };
  CHECK(status(etag) == 304);
  CHECK(status("W/" + etag) == 304);
  CHECK(status("\"other\", " + etag) == 304);
  CHECK(status("*") == 304);
  CHECK(status("\"other\"") == 200);
  CHECK(routes.call("GET", zip, "", {{"if-none-match", etag}}).header("etag") == etag);
}

TEST_CASE("If-Range gives a part only of the same bundle") {
  RouteFixture routes;
  const auto etag = "\"" + routes.add_version("mood", bundle).bundle_sha256 + "\"";
  const auto status = [&](const std::string& condition) {
    return routes.call("GET", zip, "", {{"range", "bytes=0-1"}, {"if-range", condition}}).status;
  };
  CHECK(status(etag) == 206);
  CHECK(status("\"other\"") == 200);
  CHECK(status("W/" + etag) == 200);
  CHECK(status("Mon, 01 Jan 2024 00:00:00 GMT") == 200);
}

TEST_CASE("a damaged or missing bundle is never handed out") {
  RouteFixture routes;
  const auto made = routes.add_version("mood", bundle);
  CHECK(routes.call("GET", zip).status == 200);  // verified once
  const auto path = routes.blobs.path(made.bundle_sha256);
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  std::ofstream(path, std::ios::binary | std::ios::in) << "X";
  for (const char* range : {"bytes=0-0", "bytes=5-6"}) {
    const auto error = error_of(routes.call("GET", zip, "", {{"range", range}}), 500);
    CHECK(error["code"] == "damaged_file");
    CHECK(error["type"] == "server_error");
    CHECK(std::string(error["message"]).find(made.bundle_sha256) != std::string::npos);
  }
  std::filesystem::remove(path);
  CHECK(error_of(routes.call("GET", zip), 500)["code"] == "damaged_file");
}

}  // namespace graft
