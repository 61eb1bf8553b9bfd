// No customer sees, changes or even notices another's things: every route with an id, taken from
// the route table.
#include <set>

#include "tests/services/route_fixture.h"

namespace graft {
namespace {

// The pattern with its members filled in.
std::string fill(std::string pattern, const std::map<std::string, std::string>& members) {
  for (const auto& [name, value] : members) {
    const std::string member = "{" + name + "}";
    if (const auto at = pattern.find(member); at != std::string::npos)
      pattern.replace(at, member.size(), value);
  }
  REQUIRE_MESSAGE(pattern.find('{') == std::string::npos, pattern);
  return pattern;
}

const std::string predict = R"({"inputs": "a"})", job = "/v1/fine_tuning/jobs/{job_id}";

// What each route with an id is asked with; a route that is missing here fails the test.
const std::map<std::string, std::string> bodies = {
    {"GET /v1/files/{file_id}", ""},
    {"DELETE /v1/files/{file_id}", ""},
    {"GET /v1/files/{file_id}/content", ""},
    {"GET " + job, ""},
    {"POST " + job + "/cancel", ""},
    {"POST " + job + "/pause", ""},
    {"POST " + job + "/resume", ""},
    {"GET " + job + "/events", ""},
    {"GET " + job + "/checkpoints", ""},
    {"GET /v1/models/{model}", ""},
    {"DELETE /v1/models/{model}", ""},
    {"GET /v1/tasks/{task}", ""},
    {"GET /v1/tasks/{task}/versions", ""},
    {"GET /v1/tasks/{task}/versions/{version}", ""},
    {"GET /v1/tasks/{task}/versions/{version}/metrics", ""},
    {"GET /v1/tasks/{task}/versions/{version}/report", ""},
    {"GET /v1/tasks/{task}/versions/{version}/adapter.zip", ""},
    {"GET /v1/tasks/{task}/aliases/{alias}", ""},
    {"PUT /v1/tasks/{task}/aliases/{alias}", R"({"version": 1})"},
    {"POST /v1/tasks/{task}/predict", predict},
    {"POST /v1/tasks/{task}/versions/{version}/predict", predict},
    {"POST /v1/tasks/{task}/aliases/{alias}/predict", predict}};

// Routes without an id, told apart by what they must not show. Creations have tests of their own.
const std::set<std::string> creations = {"POST /v1/files", "POST /v1/fine_tuning/jobs"};
const std::set<std::string> keyless = {"GET /healthz", "GET /readyz"};

std::string body_of(const Route& route) {
  const auto found = bodies.find(route.method + " " + route.pattern);
  REQUIRE_MESSAGE(found != bodies.end(), "no body for " << route.method << " " << route.pattern);
  return found->second;
}

}  // namespace

TEST_CASE("another customer's ids answer like ids that never were, on every route") {
  RouteFixture routes;
  const auto version = routes.add_version("mood");
  const auto open_job = routes.add_job(R"(, "task": "later")");
  const auto file = routes.add_file("rows");
  REQUIRE(routes.call("PUT", "/v1/tasks/mood/aliases/live", R"({"version": 1})").status == 200);

  const std::map<std::string, std::string> real = {
      {"file_id", file}, {"job_id", open_job}, {"model", version.model_id},
      {"task", "mood"},  {"version", "1"},     {"alias", "live"}};
  const std::map<std::string, std::string> invented = {{"file_id", "file-" + std::string(24, 'x')},
                                                       {"job_id", "ftjob-" + std::string(24, 'x')},
                                                       {"model", "ft:minilm:acme::xxxxxxxx"},
                                                       {"task", "xxxx"},
                                                       {"version", "1"},
                                                       {"alias", "live"}};
  std::size_t checked = 0;
  for (const auto& route : routes.router.routes()) {
    const auto route_name = route.method + " " + route.pattern;
    if (route.pattern.find('{') == std::string::npos) {
      if (creations.count(route_name) || keyless.count(route_name)) continue;
      REQUIRE_MESSAGE(route.method == "GET", "no entry for " << route_name);
      const auto seen = routes.call_as(routes.rival_key, "GET", route.pattern).body;
      for (const auto& [member, id] : real)
        if (member != "version") CHECK(seen.find(id) == std::string::npos);
      continue;
    }
    CAPTURE(route.method);
    CAPTURE(route.pattern);
    const auto theirs =
        routes.call_as(routes.rival_key, route.method, fill(route.pattern, real), body_of(route));
    auto unknown = routes.call_as(routes.rival_key, route.method, fill(route.pattern, invented),
                                  body_of(route));
    CHECK(theirs.status == 404);
    CHECK(unknown.status == 404);
    // The same text but for the id that the client itself sent.
    for (const auto& [name, value] : invented)
      if (const auto at = unknown.body.find(value); name != "version" && at != std::string::npos)
        unknown.body.replace(at, value.size(), real.at(name));
    CHECK(theirs.body == unknown.body);
    CHECK(theirs.headers == unknown.headers);
    ++checked;
  }
  CHECK(checked == bodies.size());

  // Nothing was changed by all that.
  CHECK(routes.call("GET", "/v1/files/" + file).status == 200);
  CHECK(routes.call("GET", "/v1/models/" + version.model_id).status == 200);
  CHECK(routes.call("GET", "/v1/fine_tuning/jobs/" + open_job).json()["status"] ==
        "validating_files");
  CHECK(routes.call("GET", "/v1/tasks/mood/aliases/live").json()["history"].size() == 1);
}

TEST_CASE("another customer's task is found by its id no more than by its name") {
  RouteFixture routes;
  const auto version = routes.add_version("mood");
  CHECK(routes.call("GET", "/v1/tasks/" + version.task_id).status == 200);
  CHECK(routes.call_as(routes.rival_key, "GET", "/v1/tasks/" + version.task_id).status == 404);
}

TEST_CASE("lists hold one's own only, and another's id is no cursor") {
  RouteFixture routes;
  const auto version = routes.add_version("mood");
  const auto as_rival = [&](const std::string& path) {
    return routes.call_as(routes.rival_key, "GET", path).json()["data"];
  };
  for (const char* path :
       {"/v1/files", "/v1/fine_tuning/jobs", "/v1/tasks", "/v1/fine_tuning/jobs?metadata=null",
        "/v1/fine_tuning/jobs?task=mood"}) {
    CAPTURE(path);
    CHECK(as_rival(path).empty());
  }
  const auto theirs =
      routes.call_as(routes.rival_key, "GET", "/v1/fine_tuning/jobs?after=" + version.job_id);
  CHECK(error_of(theirs, 400)["code"] == "unknown_cursor");
  CHECK(as_rival("/v1/models").size() == 1);  // the backbone
}

TEST_CASE("a job cannot be made of another customer's files") {
  RouteFixture routes;
  const auto file = routes.add_file("{\"text\": \"a\", \"label\": \"b\"}\n");
  const auto refused = routes.call_as(routes.rival_key, "POST", "/v1/fine_tuning/jobs",
                                      R"({"model": "minilm", "training_file": ")" + file + "\"}");
  CHECK(error_of(refused, 400)["message"] ==
        "training_file: there is no file '" + file + "'; upload it first.");
}

TEST_CASE("a signed link is a right of its own, with whatever key it is asked for") {
  RouteFixture routes;
  routes.add_version("mood", "of acme");
  CHECK(routes.call_as(routes.rival_key, "GET", "/v1/tasks/mood").status == 404);
  const auto link =
      std::string(routes.call("GET", "/v1/tasks/mood/versions/1").json()["download_url"]);
  CHECK(routes.call_as(routes.rival_key, "GET", link).body == "of acme");  // the link is the right
}

}  // namespace graft
