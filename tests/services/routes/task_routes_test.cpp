// Tasks, versions, aliases and metrics over HTTP.
#include "tests/services/route_fixture.h"

namespace graft {

TEST_CASE("a task appears with its first job and counts its versions") {
  RouteFixture routes;
  routes.add_job(R"(, "task": "mood")");
  auto task = routes.call("GET", "/v1/tasks/mood").json();
  CHECK(std::string(task["id"]).starts_with("task_"));
  CHECK(task["object"] == "graft.task");
  CHECK(task["name"] == "mood");
  CHECK(task["kind"] == "classification");
  CHECK(task["versions"] == 0);
  CHECK(task["latest_version"].is_null());
  CHECK(task["aliases"] == nlohmann::json::object());
  CHECK(routes.call("GET", "/v1/tasks/" + std::string(task["id"])).json() == task);
}

TEST_CASE("a known task's next job makes its next version") {
  RouteFixture routes;
  routes.add_version("mood", "one");
  routes.add_version("mood", "two");
  const auto task = routes.call("GET", "/v1/tasks/mood").json();
  CHECK(task["versions"] == 2);
  CHECK(task["latest_version"] == 2);
  const auto versions = routes.call("GET", "/v1/tasks/mood/versions").json();
  REQUIRE(versions["data"].size() == 2);
  CHECK(versions["data"][0]["version"] == 2);
  CHECK(versions["data"][1]["version"] == 1);
  CHECK(versions["has_more"] == false);
}

TEST_CASE("versions are listed page by page, from the newest to the oldest") {
  RouteFixture routes;
  for (const char* bundle : {"one", "two", "three"}) routes.add_version("mood", bundle);
  routes.add_version("other", "four");
  const auto first = routes.call("GET", "/v1/tasks/mood/versions?limit=2").json();
  REQUIRE(first["data"].size() == 2);
  CHECK(first["data"][1]["version"] == 2);
  CHECK(first["has_more"] == true);
  const std::string next = "/v1/tasks/mood/versions?limit=2&after=";
  const auto last = routes.call("GET", next + std::string(first["last_id"])).json();
  REQUIRE(last["data"].size() == 1);
  CHECK(last["data"][0]["version"] == 1);
  CHECK(last["has_more"] == false);
  const auto other = routes.call("GET", "/v1/tasks/other/versions").json()["data"][0]["id"];
  CHECK(routes.call("GET", next + std::string(other)).json()["data"].empty());
  CHECK(routes.call("GET", "/v1/tasks/mood/versions?limit=0").status == 400);
}

TEST_CASE("a version says what it is, what it was measured at and where to get it") {
  RouteFixture routes;
  const auto made = routes.add_version("mood", "zip bytes");
  const auto version = routes.call("GET", "/v1/tasks/mood/versions/1").json();
  CHECK(version["object"] == "graft.adapter_version");
  CHECK(version["id"] == made.id);
  CHECK(version["task"] == "mood");
  CHECK(version["version"] == 1);
  CHECK(version["model"] == made.model_id);
  CHECK(version["job_id"] == made.job_id);
  CHECK(version["backbone"] == "minilm");
  CHECK(version["backbone_sha256"] == std::string(64, 'b'));
  CHECK(version["labels"] == nlohmann::json{"down", "up"});
  CHECK(version["metrics"]["best_epoch"] == 2);
  CHECK(version["adapter_sha256"] == made.bundle_sha256);
  CHECK(version["bytes"] == 9);
  CHECK(version["hidden"] == false);
  CHECK(version["expires_at"] == routes.now + 3600);
  CHECK(std::string(version["download_url"])
            .starts_with("/v1/tasks/mood/versions/1/adapter.zip?token="));
}

TEST_CASE("versions that are not there are 404, whatever stands in the path") {
  RouteFixture routes;
  routes.add_version("mood");
  for (const char* number : {"2", "0", "-1", "x", "1x", "99999999999999999999", "latest"}) {
    CAPTURE(number);
    const auto path = "/v1/tasks/mood/versions/" + std::string(number);
    const auto error = error_of(routes.call("GET", path), 404);
    CHECK(error["code"] == "version_not_found");
    CHECK(error["message"] == "Task 'mood' has no version " + std::string(number) + ".");
  }
  CHECK(error_of(routes.call("GET", "/v1/tasks/none/versions"), 404)["code"] == "task_not_found");
}

TEST_CASE("an alias moves and remembers") {
  RouteFixture routes;
  routes.add_version("mood", "one");
  routes.add_version("mood", "two");
  const std::string path = "/v1/tasks/mood/aliases/production";
  CHECK(error_of(routes.call("GET", path), 404)["code"] == "alias_not_found");
  const auto first = routes.call("PUT", path, R"({"version": 1})").json();
  CHECK(first["object"] == "graft.alias");
  CHECK(first["task"] == "mood");
  CHECK(first["name"] == "production");
  CHECK(first["version"] == 1);
  CHECK(first["history"].size() == 1);
  routes.now += 10;
  const auto second = routes.call("PUT", path, R"({"version": 2})").json();
  CHECK(second["version"] == 2);
  CHECK(second["changed_at"] == routes.now);
  CHECK(second["history"] == nlohmann::json{{{"version", 2}, {"changed_at", routes.now}},
                                            {{"version", 1}, {"changed_at", routes.now - 10}}});
  CHECK(routes.call("GET", path).json() == second);
  CHECK(routes.call("GET", "/v1/tasks/mood").json()["aliases"] ==
        nlohmann::json{{"production", 2}});
}

TEST_CASE("an alias needs a plain name and a version that exists") {
  RouteFixture routes;
  routes.add_version("mood");
  const auto param = [&](const std::string& alias, const std::string& body) {
    const auto answer = routes.call("PUT", "/v1/tasks/mood/aliases/" + alias, body);
    return std::string(error_of(answer, 400)["param"]);
  };
  CHECK(param("Prod", R"({"version": 1})") == "alias");
  CHECK(param("-x", R"({"version": 1})") == "alias");
  CHECK(param("a%20b", R"({"version": 1})") == "alias");
  CHECK(param(std::string(65, 'a'), R"({"version": 1})") == "alias");
  CHECK(param("prod", R"({"version": 2})") == "version");
  CHECK(param("prod", R"({"version": 0})") == "version");
  CHECK(param("prod", R"({"version": "1"})") == "version");
  CHECK(param("prod", "{}") == "version");
  CHECK(param("prod", R"({"version": 1, "verison": 1})") == "verison");
  CHECK(error_of(routes.call("PUT", "/v1/tasks/mood/aliases/prod", ""), 400)["code"] ==
        "invalid_json");
}

TEST_CASE("metrics are the curve, the epochs and the final numbers") {
  RouteFixture routes;
  const auto made = routes.add_version("mood");
  {
    auto database = routes.databases.checkout();
    Transaction transaction(*database);
    insert_metric_point(*database, made.trial_id,
                        {10, R"({"train_loss":0.5,"train_accuracy":0.25})"});
    insert_metric_point(
        *database, made.trial_id,
        {20,
         R"({"train_loss":0.25,"train_accuracy":0.5,"valid_loss":0.125,"valid_accuracy":0.75})"});
    Checkpoint checkpoint;
    checkpoint.job_id = made.job_id;
    checkpoint.trial_id = made.trial_id;
    for (int epoch : {1, 2}) {
      checkpoint.epoch = epoch;
      checkpoint.step = epoch * 20;
      insert_checkpoint(*database, checkpoint);
    }
    transaction.commit();
  }
  const auto metrics = routes.call("GET", "/v1/tasks/mood/versions/1/metrics").json();
  CHECK(metrics["object"] == "graft.metrics");
  CHECK(metrics["task"] == "mood");
  CHECK(metrics["version"] == 1);
  CHECK(metrics["final"]["valid_accuracy"] == 0.5);
  CHECK(metrics["points"] == nlohmann::json::parse(
                                 R"([{"step":10,"train_loss":0.5,"train_accuracy":0.25},
                {"step":20,"train_loss":0.25,"train_accuracy":0.5,"valid_loss":0.125,"valid_accuracy":0.75}])"));
  REQUIRE(metrics["epochs"].size() == 2);
  CHECK(metrics["epochs"][0]["epoch"] == 1);
  CHECK(metrics["epochs"][1]["step"] == 40);
}

TEST_CASE("tasks are listed newest first, page by page") {
  RouteFixture routes;
  for (const char* name : {"a", "b", "c"}) routes.add_version(name);
  routes.add_job(R"(, "task": "unlearned")");
  const auto first = routes.call("GET", "/v1/tasks?limit=2").json();
  REQUIRE(first["data"].size() == 2);
  CHECK(first["data"][0]["name"] == "c");
  CHECK(first["has_more"] == true);
  const auto rest =
      routes.call("GET", "/v1/tasks?limit=2&after=" + std::string(first["last_id"])).json();
  REQUIRE(rest["data"].size() == 1);
  CHECK(rest["data"][0]["name"] == "a");
  CHECK(rest["has_more"] == false);
}

TEST_CASE("models come in pages when asked: backbones on the first, then the newest adapters") {
  RouteFixture routes;
  const auto first = routes.add_version("mood"), second = routes.add_version("mood");
  const auto page = routes.call("GET", "/v1/models?limit=1").json();
  REQUIRE(page["data"].size() == 2);
  CHECK(page["data"][0]["id"] == "minilm");
  CHECK(page["data"][1]["id"] == second.model_id);
  CHECK(page["has_more"] == true);
  const auto rest = routes.call("GET", "/v1/models?limit=1&after=" + second.model_id).json();
  REQUIRE(rest["data"].size() == 1);
  CHECK(rest["data"][0]["id"] == first.model_id);
  CHECK(rest["has_more"] == false);
  CHECK(routes.call("GET", "/v1/models?after=minilm").json()["data"].size() == 2);
  CHECK(error_of(routes.call("GET", "/v1/models?after=ft:none"), 400)["code"] == "unknown_cursor");
  error_of(routes.call("GET", "/v1/models?limit=1001"), 400);
}

TEST_CASE("a task has a hundred aliases at most, each of which can still be moved") {
  RouteFixture routes;
  routes.add_version("mood");
  const auto put = [&](int number) {
    return routes.call("PUT", "/v1/tasks/mood/aliases/a" + std::to_string(number),
                       R"({"version": 1})");
  };
  for (int i = 0; i < 100; ++i) REQUIRE(put(i).status == 200);
  CHECK(error_of(put(100), 400)["code"] == "too_many_aliases");
  CHECK(put(7).status == 200);
  CHECK(routes.call("GET", "/v1/tasks/mood").json()["aliases"].size() == 100);
}

TEST_CASE("models are the backbones and the finished adapters") {
  RouteFixture routes;
  const auto made = routes.add_version("mood");
  const auto models = routes.call("GET", "/v1/models").json();
  CHECK(models["object"] == "list");
  REQUIRE(models["data"].size() == 2);
  CHECK(models["data"][0]["id"] == "minilm");
  CHECK(models["data"][0]["owned_by"] == "graft");
  CHECK(models["data"][0]["layers"] == 6);
  CHECK(models["data"][1]["id"] == made.model_id);
  CHECK(models["data"][1]["owned_by"] == "acme");
  CHECK(models["data"][1]["task"] == "mood");
  for (const auto& model : models["data"]) {
    CHECK(model["object"] == "model");
    CHECK(model["created"].is_number_integer());
    CHECK(routes.call("GET", "/v1/models/" + std::string(model["id"])).json() == model);
  }
}

TEST_CASE("deleting a model hides it, and its version stays") {
  RouteFixture routes;
  const auto made = routes.add_version("mood");
  const std::string path = "/v1/models/" + made.model_id;  // with its colons as they are
  const auto answer = routes.call("DELETE", path, "", {{"content-type", "application/json"}});
  CHECK(answer.body == R"({"id":")" + made.model_id + R"(","object":"model","deleted":true})");
  CHECK(error_of(routes.call("GET", path), 404)["code"] == "model_not_found");
  CHECK(error_of(routes.call("DELETE", path), 404)["code"] == "model_not_found");
  CHECK(routes.call("GET", "/v1/models").json()["data"].size() == 1);
  const auto version = routes.call("GET", "/v1/tasks/mood/versions/1").json();
  CHECK(version["hidden"] == true);
  CHECK(routes.call("GET", version["download_url"]).status == 200);
  CHECK(routes.call("GET", "/v1/tasks/mood").json()["latest_version"].is_null());
}

TEST_CASE("a backbone cannot be deleted") {
  RouteFixture routes;
  CHECK(error_of(routes.call("DELETE", "/v1/models/minilm"), 403)["code"] ==
        "backbone_not_deletable");
  CHECK(error_of(routes.call("DELETE", "/v1/models/none"), 404)["code"] == "model_not_found");
}

TEST_CASE("an alias is no number, no id and not 'latest'; one from before goes on") {
  RouteFixture routes;
  routes.add_version("mood");
  const std::string at = "/v1/tasks/mood/aliases/", one = R"({"version": 1})";
  for (const char* name : {"1", "007", "latest", "file-a", "ver_1", "task_a"}) {
    CAPTURE(name);
    CHECK(error_of(routes.call("PUT", at + name, one), 400)["code"] == "reserved_name");
    CHECK(routes.call("GET", at + name).status == 404);
  }
  CHECK(routes.call("PUT", at + "v1", one).status == 200);
  auto database = routes.databases.checkout();
  const auto task = find_task(*database, routes.acme.id, "mood");
  REQUIRE(task);
  REQUIRE(set_alias(*database, *task, "latest", 1, routes.now));
  CHECK(routes.call("PUT", at + "latest", one).status == 200);
}

}  // namespace graft
