// Files over HTTP: uploads as forms in small pieces, listing, content, deletion.
#include "services/routes/file_upload.h"

#include <atomic>
#include <thread>

#include "tests/services/route_fixture.h"

namespace graft {
namespace {

struct Part {
  std::string name, value;
  std::optional<std::string> filename;
};

std::string form(const std::vector<Part>& parts) {
  std::string body;
  for (const auto& part : parts) {
    body += "--boundary\r\nContent-Disposition: form-data; name=\"" + part.name + "\"";
    if (part.filename)
      body += "; filename=\"" + *part.filename + "\"\r\nContent-Type: application/octet-stream";
    body += "\r\n\r\n" + part.value + "\r\n";
  }
  return body + "--boundary--\r\n";
}

const std::string bytes = "{\"text\": \"a\", \"label\": \"b\"}\r\n--boundar\n";
const Part purpose = {"purpose", "fine-tune", std::nullopt};
const Part file = {"file", bytes, "train.jsonl"};

Answer upload(RouteFixture& routes, const std::vector<Part>& parts) {
  return routes.call("POST", "/v1/files", form(parts),
                     {{"content-type", "multipart/form-data; boundary=boundary"}});
}

int count_blobs(const RouteFixture& routes) {
  int count = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(routes.scratch.path() / "blobs"))
    count += entry.is_regular_file();
  return count;
}

}  // namespace

TEST_CASE("an uploaded file comes back byte for byte") {
  RouteFixture routes;
  const auto made = upload(routes, {purpose, file});
  REQUIRE_MESSAGE(made.status == 200, made.body);
  const auto object = made.json();
  const std::string id = object["id"];
  CHECK(id.starts_with("file-"));
  CHECK(object["object"] == "file");
  CHECK(object["bytes"] == bytes.size());
  CHECK(object["created_at"] == routes.now);
  CHECK(object["filename"] == "train.jsonl");
  CHECK(object["purpose"] == "fine-tune");
  CHECK(object["status"] == "processed");
  CHECK(object["expires_at"].is_null());
  CHECK(routes.call("GET", "/v1/files/" + id).json() == object);

  const auto content = routes.call("GET", "/v1/files/" + id + "/content");
  CHECK(content.status == 200);
  CHECK(content.body == bytes);
  CHECK(content.content_type == "application/octet-stream");
  CHECK(content.header("content-disposition") ==
        "attachment; filename=\"train.jsonl\"; filename*=UTF-8''train.jsonl");
}

TEST_CASE("fields may stand before or after the file") {
  RouteFixture routes;
  const Part anchor = {"expires_after[anchor]", "created_at", std::nullopt};
  const Part seconds = {"expires_after[seconds]", "3600", std::nullopt};
  for (const auto& parts :
       {std::vector{purpose, anchor, seconds, file}, std::vector{file, seconds, anchor, purpose}}) {
    const auto made = upload(routes, parts);
    REQUIRE_MESSAGE(made.status == 200, made.body);
    CHECK(made.json()["expires_at"] == routes.now + 3600);
  }
}

TEST_CASE("an expired file is gone") {
  RouteFixture routes;
  const auto made = upload(routes, {purpose,
                                    {"expires_after[anchor]", "created_at", std::nullopt},
                                    {"expires_after[seconds]", "3600", std::nullopt},
                                    file});
  const std::string path = "/v1/files/" + std::string(made.json()["id"]);
  CHECK(routes.call("GET", path).status == 200);
  routes.now += 3601;
  CHECK(error_of(routes.call("GET", path), 404)["code"] == "file_not_found");
  CHECK(routes.call("GET", "/v1/files").json()["data"].empty());
}

TEST_CASE("uploads that lack or break something are refused and leave nothing behind") {
  RouteFixture routes;
  const auto refuse = [&](const std::vector<Part>& parts, const char* param) {
    const auto error = error_of(upload(routes, parts), 400);
    CHECK(error["param"] == param);
  };
  refuse({file}, "purpose");
  refuse({purpose}, "file");
  refuse({file, {"purpose", "training", std::nullopt}}, "purpose");
  refuse({{"purpose", "fine-tune-results", std::nullopt}, file}, "purpose");
  refuse({purpose, {"file", "", "train.jsonl"}}, "file");
  refuse({purpose, {"file", bytes, "train.txt"}}, "file");
  refuse({purpose, {"file", bytes, ""}}, "file");
  refuse({purpose, {"file", bytes, std::nullopt}}, "file");
  refuse({purpose, {"file", bytes, ".."}}, "file");
  refuse({purpose, {"file", bytes, std::string(260, 'a') + ".jsonl"}}, "file");
  refuse({purpose, file, file}, "file");
  refuse({purpose, file, {"colour", "red", std::nullopt}}, "colour");
  refuse({purpose, file, {"expires_after[seconds]", "3600", std::nullopt}}, "expires_after");
  refuse({{"expires_after[seconds]", "3599", std::nullopt}}, "expires_after[seconds]");
  refuse({{"expires_after[seconds]", "2592001", std::nullopt}}, "expires_after[seconds]");
  refuse({{"expires_after[seconds]", "1h", std::nullopt}}, "expires_after[seconds]");
  refuse({{"expires_after[anchor]", "last_used", std::nullopt}}, "expires_after[anchor]");
  refuse({{"purpose", std::string(2000, 'p'), std::nullopt}}, "purpose");
  CHECK(count_blobs(routes) == 0);
  CHECK(routes.call("GET", "/v1/files").json()["data"].empty());
}

TEST_CASE("a body that is no complete form is refused and leaves nothing behind") {
  RouteFixture routes;
  CHECK(error_of(routes.call("POST", "/v1/files", "{}", {{"content-type", "application/json"}}),
                 400)["code"] == "invalid_content_type");
  CHECK(error_of(routes.call("POST", "/v1/files", ""), 400)["code"] == "invalid_content_type");
  const std::string whole = form({purpose, file});
  CHECK(error_of(routes.call("POST", "/v1/files", whole.substr(0, whole.size() - 20),
                             {{"content-type", "multipart/form-data; boundary=boundary"}}),
                 400)["code"] == "invalid_form");
  CHECK(count_blobs(routes) == 0);
}

TEST_CASE("a file name is its last part, of either kind of path") {
  CHECK(base_name("train.jsonl") == "train.jsonl");
  CHECK(base_name("../../etc/passwd") == "passwd");
  CHECK(base_name("C:\\data\\train.csv") == "train.csv");
  CHECK(base_name("dir/") == "");
  CHECK(base_name("..") == "");
  RouteFixture routes;
  const auto made = upload(routes, {purpose, {"file", bytes, "../über \xE2\x82\xAC.jsonl"}}).json();
  CHECK(made["filename"] == "über \xE2\x82\xAC.jsonl");
  const auto content = routes.call("GET", "/v1/files/" + std::string(made["id"]) + "/content");
  CHECK(content.header("content-disposition") ==
        "attachment; filename=\"__ber ___.jsonl\"; "
        "filename*=UTF-8''%C3%BCber%20%E2%82%AC.jsonl");
}

TEST_CASE("files are listed by order, purpose and page") {
  RouteFixture routes;
  const auto first = routes.add_file("1", "a.jsonl");
  const auto second = routes.add_file("2", "b.bin", "user_data");
  const auto third = routes.add_file("3", "c.jsonl");
  const auto ids = [&](const std::string& query) {
    std::vector<std::string> found;
    const auto list = routes.call("GET", "/v1/files?" + query).json();
    for (const auto& item : list["data"]) found.push_back(item["id"]);
    if (!found.empty()) {
      CHECK(list["first_id"] == found.front());
      CHECK(list["last_id"] == found.back());
    }
    return found;
  };
  CHECK(ids("") == std::vector{third, second, first});
  CHECK(ids("order=asc") == std::vector{first, second, third});
  CHECK(ids("purpose=fine-tune") == std::vector{third, first});
  CHECK(ids("limit=1&after=" + third) == std::vector{second});
  CHECK(ids("limit=2&order=asc&after=" + first) == std::vector{second, third});
  CHECK(routes.call("GET", "/v1/files?limit=2").json()["has_more"] == true);
  CHECK(error_of(routes.call("GET", "/v1/files?order=up"), 400)["param"] == "order");
}

TEST_CASE("the bytes of a deleted file go with the next sweep, unless others need them") {
  RouteFixture routes;
  const auto one = routes.add_file("same bytes");
  const auto other = routes.add_file("same bytes");
  const auto answer =
      routes.call("DELETE", "/v1/files/" + one, "", {{"content-type", "application/json"}});
  CHECK(answer.body == R"({"id":")" + one + R"(","object":"file","deleted":true})");
  CHECK(error_of(routes.call("GET", "/v1/files/" + one), 404)["message"] == "No such file: " + one);
  CHECK(error_of(routes.call("DELETE", "/v1/files/" + one), 404)["code"] == "file_not_found");
  CHECK(routes.call("GET", "/v1/files/" + other + "/content").body == "same bytes");
  const auto sweep = [&](std::optional<std::chrono::seconds> at_rest) {
    auto database = routes.databases.checkout();
    return routes.blobs.sweep(
        [&](const std::string& sha256) {
          return is_blob_referenced(*database, sha256, routes.now);
        },
        at_rest);
  };
  CHECK(sweep(std::chrono::seconds(0)) == 0);
  CHECK(routes.call("DELETE", "/v1/files/" + other).status == 200);
  CHECK(sweep(std::chrono::hours(1)) == 0);  // young: its row might still be on its way
  CHECK(count_blobs(routes) == 1);
  CHECK(sweep(std::chrono::seconds(0)) == 1);
  CHECK(count_blobs(routes) == 0);
}

TEST_CASE("the same bytes, uploaded, deleted and swept by many at once, are there for every file") {
  RouteFixture routes;
  std::atomic<int> working = 4, kept = 0;
  std::vector<std::thread> clients;
  for (int client = 0; client < 4; ++client) {
    clients.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        const auto path = "/v1/files/" + std::string(upload(routes, {purpose, file}).json()["id"]);
        const bool whole = routes.call("GET", path + "/content").body == bytes;
        kept += whole && routes.call("DELETE", path).status == 200;
      }
      --working;
    });
  }
  int removed = 0;
  while (working > 0) {
    const auto unreferenced = [](const std::string&) { return false; };  // as between blob and row
    removed += routes.blobs.sweep(unreferenced, std::chrono::hours(1));
  }
  for (auto& client : clients) client.join();
  CHECK(kept == 4 * 20);
  CHECK(removed == 0);
}

TEST_CASE("the training file of an unfinished job keeps its bytes when it is deleted") {
  RouteFixture routes;
  const auto id = routes.add_job();
  const auto job = routes.call("GET", "/v1/fine_tuning/jobs/" + id).json();
  CHECK(routes.call("DELETE", "/v1/files/" + std::string(job["training_file"])).status == 200);
  CHECK(count_blobs(routes) == 1);
}

TEST_CASE("a field twice is refused, and a name with characters that nobody sees") {
  RouteFixture routes;
  const Part anchor = {"expires_after[anchor]", "created_at", std::nullopt};
  const auto twice = error_of(upload(routes, {purpose, purpose, file}), 400);
  CHECK(twice["param"] == "purpose");
  CHECK(error_of(upload(routes, {purpose, anchor, file, anchor}), 400)["param"] ==
        "expires_after[anchor]");
  const auto unseen = error_of(upload(routes, {purpose, {"file", bytes, "a\u202Elsv.jsonl"}}), 400);
  CHECK(unseen["param"] == "file");
  CHECK(std::string(unseen["message"]).find("U+202E") != std::string::npos);
  CHECK(count_blobs(routes) == 0);
}

TEST_CASE("damaged bytes of a file are not handed out") {
  RouteFixture routes;
  const auto id = routes.add_file("the right bytes");
  const auto content = "/v1/files/" + id + "/content";
  REQUIRE(routes.call("GET", content).body == "the right bytes");
  const auto sha256 = std::string(routes.call("GET", "/v1/files/" + id).json()["sha256"]);
  const auto path = routes.blobs.path(sha256);
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  std::ofstream(path, std::ios::binary) << "the wrong bytes";
  CHECK(error_of(routes.call("GET", content), 500)["code"] == "damaged_file");
  std::filesystem::remove(path);
  CHECK(error_of(routes.call("GET", content), 500)["code"] == "damaged_file");
}

}  // namespace graft
