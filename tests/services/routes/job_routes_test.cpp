// Jobs over HTTP: creation with its checks, listing, cancelling, events and checkpoints.
#include "tests/services/route_fixture.h"
#include "trainer/contract/specification.h"

#include "storage/events.h"

namespace graft {
namespace {

const std::string jobs = "/v1/fine_tuning/jobs";
const std::string row = "{\"text\": \"good\", \"label\": \"up\"}\n";

std::string body_for(const std::string& file, const std::string& more = "") {
  return R"({"model": "minilm", "training_file": ")" + file + "\"" + more + "}";
}

std::vector<std::string> ids_of(const Answer& answer) {
  std::vector<std::string> ids;
  const auto list = answer.json();
  for (const auto& item : list["data"]) ids.push_back(item["id"]);
  return ids;
}

}  // namespace

TEST_CASE("a created job has every member of the contract and ours") {
  RouteFixture routes;
  const auto file = routes.add_file(row);
  const auto made = routes.call(
      "POST", jobs, body_for(file, R"(, "suffix": "mood", "seed": 5, "metadata": {"team": "a"},
                        "hyperparameters": {"n_epochs": 2, "learning_rate_multiplier": 0.5})"));
  REQUIRE_MESSAGE(made.status == 200, made.body);
  CHECK(made.content_type == "application/json");
  const auto job = made.json();
  CHECK(std::string(job["id"]).starts_with("ftjob-"));
  CHECK(job["object"] == "fine_tuning.job");
  CHECK(job["status"] == "validating_files");
  CHECK(job["created_at"] == routes.now);
  CHECK(job["organization_id"] == "acme");
  CHECK(job["model"] == "minilm");
  CHECK(job["training_file"] == file);
  CHECK(job["seed"] == 5);
  CHECK(job["task"] == "mood");
  CHECK(job["user_provided_suffix"] == "mood");
  CHECK(job["metadata"] == nlohmann::json{{"team", "a"}});
  CHECK(job["hyperparameters"]["n_epochs"] == 2);
  CHECK(job["hyperparameters"]["batch_size"] == 32);
  CHECK(job["hyperparameters"]["learning_rate_multiplier"] == 0.5);
  CHECK(job["method"]["type"] == "supervised");
  CHECK(job["method"]["supervised"]["hyperparameters"] == job["hyperparameters"]);
  CHECK(job["adapter"]["method"] == "houlsby");
  CHECK(job["adapter"]["train_layer_norm"] == false);
  CHECK(job["backbone_sha256"] == std::string(64, 'b'));
  CHECK(job["result_files"] == nlohmann::json::array());
  CHECK(job["integrations"] == nlohmann::json::array());
  CHECK(job["attempts"] == 0);
  CHECK(job["progress"]["step"] == 0);
  for (const char* absent : {"finished_at", "fine_tuned_model", "validation_file", "trained_tokens",
                             "error", "estimated_finish", "version"}) {
    CAPTURE(absent);
    REQUIRE(job.contains(absent));
    CHECK(job[absent].is_null());
  }
  CHECK(routes.pokes == 1);
  CHECK(routes.call("GET", jobs + "/" + std::string(job["id"])).json() == job);
}

TEST_CASE("a job shows its adapter resolved, so that it can be sent again") {
  RouteFixture routes;
  const auto file = routes.add_file(row);
  const auto adapter_of = [&](const std::string& adapter) {
    const auto made = routes.call("POST", jobs, body_for(file, R"(, "adapter": )" + adapter));
    REQUIRE_MESSAGE(made.status == 200, made.body);
    const auto shown = made.json()["adapter"];
    const auto id = std::string(made.json()["id"]);
    CHECK(routes.call("GET", jobs + "/" + id).json()["adapter"] == shown);
    const auto again = routes.call("POST", jobs, body_for(file, R"(, "adapter": )" + shown.dump()));
    REQUIRE_MESSAGE(again.status == 200, again.body);
    CHECK(again.json()["adapter"] == shown);
    return shown;
  };
  CHECK(adapter_of(R"({"layers": 2})")["leave_out"] == nlohmann::json{0, 1, 2, 3});
  CHECK(adapter_of(R"({"size": 8})")["leave_out"] == nlohmann::json::array());
  const auto head = adapter_of(R"({"method": "head"})");
  CHECK(head["method"] == "head");
  for (const char* member : {"size", "leave_out", "activation", "init_std", "train_layer_norm"}) {
    REQUIRE(head.contains(member));
    CHECK(head[member].is_null());
  }
}

TEST_CASE("a drawn seed is stored and returned") {
  RouteFixture routes;
  const auto id = routes.add_job();
  const auto job = routes.call("GET", jobs + "/" + id).json();
  CHECK(job["seed"].is_number_integer());
  auto database = routes.databases.checkout();
  CHECK(parse_specification(list_trials(*database, id).front().specification).seed == job["seed"]);
}

TEST_CASE("a succeeded job names its model, version and tokens") {
  RouteFixture routes;
  const auto version = routes.add_version("mood");
  const auto job = routes.call("GET", jobs + "/" + version.job_id).json();
  CHECK(job["status"] == "succeeded");
  CHECK(job["fine_tuned_model"] == version.model_id);
  CHECK(job["version"] == 1);
  CHECK(job["trained_tokens"] == 123);
  CHECK(job["attempts"] == 1);
}

TEST_CASE("a body that is no JSON is refused with the byte and what stands there") {
  RouteFixture routes;
  CHECK(error_of(routes.call("POST", jobs, R"({"training_file": 'a'})"), 400)["message"] ==
        "The body is not valid JSON at byte 19: strings stand in double quotes, not in single "
        "ones.");
}

TEST_CASE("a file that is no JSON Lines is refused at submission with the way to make it so") {
  RouteFixture routes;
  const auto refusal = [&](const std::string& bytes, const std::string& name) {
    return std::string(error_of(routes.call("POST", jobs, body_for(routes.add_file(bytes, name))),
                                400)["message"]);
  };
  for (const std::string& rows : {"[\n" + row + ",\n" + row + "]", "[" + row + "," + row + "]\n"})
    CHECK(refusal(rows, "my rows.json") ==
          "my rows.json: the file is one JSON array, but each line must be one JSON object; write "
          "them so with: jq -c '.[]' 'my rows.json' > 'my rows.jsonl'.");
  CHECK(refusal("[{\"text\":\"" + std::string(2 << 20, 'x') + "\"}]", "a.json")
            .ends_with("with: jq -c '.[]' a.json > a.jsonl."));
  CHECK(refusal("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
                "a.csv") ==
        "a.csv: the file is a pointer of Git LFS, not the data itself; fetch the data with git lfs "
        "pull and upload that.");
  CHECK(
      refusal("{\"text\": \"x\", \"label\": null}\n", "a.jsonl") ==
      "a.jsonl line 1: member \"label\" is null; every row needs a text and a label: fill it in or "
      "remove the row, as jq -c 'select(.label != null)' FILE does.");
  CHECK(
      refusal("{\"text\": null, \"label\": 1}\n", "a.jsonl").find("\"text\" is null; every row") !=
      std::string::npos);
  CHECK(refusal("{\n  \"text\": \"x\",\n  \"label\": 1\n}\n", "a.json") ==
        "a.json line 1: not valid JSON at byte 2: the text ends before its last bracket is closed; "
        "each line must hold one whole JSON object, as jq -c . FILE writes them.");
}

TEST_CASE("a job's files must exist, be for training and look like rows") {
  RouteFixture routes;
  const auto refuse = [&](const std::string& body, const char* param) {
    const auto error = error_of(routes.call("POST", jobs, body), 400);
    CHECK(error["param"] == param);
    CHECK(error["type"] == "invalid_request_error");
    return std::string(error["message"]);
  };
  CHECK(refuse(body_for("file-none"), "training_file") ==
        "training_file: there is no file 'file-none'; upload it first.");
  refuse(body_for(routes.add_file(row, "a.jsonl", "user_data")), "training_file");
  refuse(body_for(routes.add_file(row, "a.txt")), "training_file");
  CHECK(refuse(body_for(routes.add_file("\n\n[1]\n", "a.jsonl")), "training_file") ==
        "a.jsonl line 3: not a JSON object but a list; each line must hold one, such as {\"text\": "
        "…, "
        "\"label\": …}.");
  CHECK(refuse(body_for(routes.add_file("not json\n", "a.jsonl")), "training_file") ==
        "a.jsonl line 1: not valid JSON at byte 2: the word \"not\" stands there without quotes; "
        "each "
        "line must hold one whole JSON object.");
  CHECK(refuse(body_for(routes.add_file("{\"text\": \"x\"}\n", "a.jsonl")), "training_file") ==
        "a.jsonl line 1: member \"label\" is missing; every row needs a text and a label: add it "
        "or remove the row.");
  refuse(body_for(routes.add_file("{\"label\": \"x\"}\n", "a.jsonl")), "training_file");
  CHECK(refuse(body_for(routes.add_file("{\"premise\": \"x\", \"label\": 1}\n", "a.jsonl")),
               "training_file") ==
        "a.jsonl line 1: member \"hypothesis\" is missing; every row needs a text and a label: add "
        "it or remove the row.");
  refuse(body_for(routes.add_file("\n \n", "a.jsonl")), "training_file");
  refuse(body_for(routes.add_file("\xFF\xFE{}\n", "a.jsonl")), "training_file");
  refuse(body_for(routes.add_file(std::string((1 << 20) + 2, 'x'), "a.jsonl")), "training_file");
  CHECK(refuse(body_for(routes.add_file("text,etikett\na,b\n", "a.csv")), "training_file") ==
        "a.csv line 1: the header names no column \"label\"; the columns are: text, etikett.");
  CHECK(refuse(body_for(routes.add_file("PK\x03\x04xl/workbook.xml", "a.csv")), "training_file") ==
        "a.csv: the file is an Excel workbook (.xlsx); save it as CSV (UTF-8) or JSONL and upload "
        "that.");
  refuse(body_for(routes.add_file("label\nb\n", "a.csv")), "training_file");
  refuse(body_for(routes.add_file("text,label,text\n", "a.csv")), "training_file");
  refuse(body_for(routes.add_file("text label\n", "a.tsv")), "training_file");
  refuse(body_for(routes.add_file(row), R"(, "validation_file": "file-none")"), "validation_file");
  const auto error = error_of(
      routes.call("POST", jobs,
                  body_for(routes.add_file(row), R"(, "validation_file": ")" +
                                                     routes.add_file("[]\n", "v.jsonl") + "\"")),
      400);
  CHECK(error["code"] == "invalid_validation_file");
  CHECK(routes.pokes == 0);
  CHECK(routes.call("GET", jobs).json()["data"].empty());
  CHECK(routes.call("GET", "/v1/tasks").json()["data"].empty());
}

TEST_CASE("files of every accepted shape are taken") {
  RouteFixture routes;
  const std::pair<const char*, const char*> shapes[] = {
      {"a.jsonl", "\xEF\xBB\xBF{\"text\": \"x\", \"label\": 1}\n"},
      {"a.JSONL", "{\"premise\": \"x\", \"hypothesis\": \"y\", \"label\": \"z\"}"},
      {"a.jsonl", "{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}]}\n"},
      {"a.jsonl", "{\"prompt\": \"x\", \"completion\": \"y\"}\r\n"},
      {"a.csv", "\"text\",\"label\"\r\nx,y\r\n"},
      {"a.csv", "\"strange\nname\",sentence,label\n"},
      {"a.csv", "Text, Label ,,\nx,y,1,2\n"},
      {"a.tsv", "sentence1\tsentence2\tlabel\na\tb\tc\n"},
      {"a.csv", "text;label\nx;y\n"},
      {"a.csv", "sep=;\ntext;label\nx;y\n"},
      {"a.csv", "text\tlabel\nx\ty\n"},
  };
  for (const auto& [name, bytes] : shapes) {
    CAPTURE(bytes);
    const auto made = routes.call("POST", jobs, body_for(routes.add_file(bytes, name)));
    CHECK_MESSAGE(made.status == 200, made.body);
  }
}

TEST_CASE("jobs are listed newest first, page by page, also while new ones come") {
  RouteFixture routes;
  std::vector<std::string> made;
  for (int i = 0; i < 5; ++i) made.insert(made.begin(), routes.add_job());
  const auto first = routes.call("GET", jobs + "?limit=2");
  CHECK(ids_of(first) == std::vector(made.begin(), made.begin() + 2));
  CHECK(first.json()["object"] == "list");
  CHECK(first.json()["has_more"] == true);
  CHECK(first.json()["first_id"] == made[0]);
  CHECK(first.json()["last_id"] == made[1]);
  routes.add_job();
  CHECK(ids_of(routes.call("GET", jobs + "?limit=2&after=" + made[1])) ==
        std::vector(made.begin() + 2, made.begin() + 4));
  const auto last = routes.call("GET", jobs + "?limit=2&after=" + made[3]);
  CHECK(ids_of(last) == std::vector(made.begin() + 4, made.end()));
  CHECK(last.json()["has_more"] == false);
  const auto none = routes.call("GET", jobs + "?after=" + made[4]).json();
  CHECK(none["data"].empty());
  CHECK(none["first_id"].is_null());
}

TEST_CASE("jobs are filtered by metadata, its absence and task") {
  RouteFixture routes;
  const auto plain = routes.add_job();
  const auto a = routes.add_job(R"(, "metadata": {"team": "a", "run": "1"}, "task": "t")");
  const auto b = routes.add_job(R"(, "metadata": {"team": "a", "run": "2"})");
  const auto ids = [&](const std::string& query) {
    return ids_of(routes.call("GET", jobs + "?" + query));
  };
  CHECK(ids("metadata%5Bteam%5D=a") == std::vector{b, a});
  CHECK(ids("metadata[team]=a&metadata[run]=1") == std::vector{a});
  CHECK(ids("metadata[team]=z").empty());
  CHECK(ids("metadata=null") == std::vector{plain});
  CHECK(ids("task=t") == std::vector{a});
  CHECK(ids("task=unknown").empty());
  CHECK(error_of(routes.call("GET", jobs + "?metadata=x"), 400)["param"] == "metadata");
}

TEST_CASE("a limit must be a number in range") {
  RouteFixture routes;
  const auto id = routes.add_job();
  for (const auto& path : {jobs, jobs + "/" + id + "/events", jobs + "/" + id + "/checkpoints",
                           std::string("/v1/files"), std::string("/v1/tasks")})
    for (const char* limit : {"0", "-1", "x", "1.5", "10001", "99999999999999999999"}) {
      CAPTURE(path);
      CAPTURE(limit);
      const auto error = error_of(routes.call("GET", path + "?limit=" + limit), 400);
      CHECK(error["param"] == "limit");
    }
}

TEST_CASE("cancelling ends a job at once; a finished one answers 400, not 409") {
  RouteFixture routes;
  const auto id = routes.add_job();
  const auto answer =
      routes.call("POST", jobs + "/" + id + "/cancel", "", {{"content-type", "application/json"}});
  REQUIRE_MESSAGE(answer.status == 200, answer.body);
  CHECK(answer.json()["status"] == "cancelled");
  CHECK(answer.json()["finished_at"] == routes.now);
  CHECK(routes.pokes == 2);
  const auto again = error_of(routes.call("POST", jobs + "/" + id + "/cancel"), 400);
  CHECK(again["code"] == "job_already_final");
  CHECK(again["message"] == "Job " + id + " is already cancelled and cannot be cancelled.");
}

TEST_CASE("a queued job is paused and resumed; what has ended or is not checked yet says so") {
  RouteFixture routes;
  const auto id = routes.add_job();
  const auto call = [&](const std::string& action) {
    return routes.call("POST", jobs + "/" + id + action, "",
                       {{"content-type", "application/json"}});
  };
  CHECK(error_of(call("/pause"), 400)["code"] == "job_not_queued");
  {
    auto database = routes.databases.checkout();
    REQUIRE(enqueue_job(*database, id, routes.now));
  }
  CHECK(call("/pause").json()["status"] == "paused");
  CHECK(call("/pause").json()["status"] == "paused");
  {
    auto database = routes.databases.checkout();
    CHECK_FALSE(claim_next_job(*database, routes.now));
  }
  CHECK(call("/resume").json()["status"] == "queued");
  CHECK(call("/resume").json()["status"] == "queued");
  {
    auto database = routes.databases.checkout();
    CHECK(claim_next_job(*database, routes.now));
  }
  CHECK(call("/pause").json()["status"] == "paused");
  CHECK(call("/cancel").json()["status"] == "cancelled");
  for (const char* action : {"/pause", "/resume"}) {
    CHECK(error_of(call(action), 400)["code"] == "job_already_final");
    CHECK(error_of(routes.call("POST", jobs + "/ftjob-none" + action), 404)["code"] ==
          "job_not_found");
  }
}

TEST_CASE("events are pages of the contract's shape, newest first") {
  RouteFixture routes;
  const auto id = routes.add_job();
  {
    auto database = routes.databases.checkout();
    insert_event(*database,
                 {id, EventLevel::info, "metrics", "Step 1/2", R"({"step":1,"train_loss":0.5})"},
                 routes.now + 1);
    insert_event(*database, {id, EventLevel::warn, "message", "careful", ""}, routes.now + 2);
  }
  const auto page = routes.call("GET", jobs + "/" + id + "/events?limit=2").json();
  REQUIRE(page["data"].size() == 2);
  CHECK(page["has_more"] == true);
  CHECK(page["data"][0]["object"] == "fine_tuning.job.event");
  CHECK(page["data"][0]["level"] == "warn");
  CHECK(page["data"][0]["data"].is_null());
  CHECK(page["data"][1]["type"] == "metrics");
  CHECK(page["data"][1]["data"]["train_loss"] == 0.5);
  const std::string last = page["data"][1]["id"];
  const auto rest = routes.call("GET", jobs + "/" + id + "/events?after=" + last).json();
  REQUIRE(rest["data"].size() == 1);
  CHECK(rest["data"][0]["message"] == "Created fine-tuning job: " + id);
  CHECK(rest["has_more"] == false);
}

TEST_CASE("a reader of events whose cursor was thinned out goes on") {
  RouteFixture routes;
  const auto id = routes.add_job();
  {
    auto database = routes.databases.checkout();
    enqueue_job(*database, id, routes.now);
    for (int step = 1; step <= 300; ++step) {
      NewEvent event{.job_id = id, .type = "metrics", .passing = true};
      event.message = "Step " + std::to_string(step);
      insert_event(*database, event, routes.now);
    }
  }
  const std::string events = jobs + "/" + id + "/events?limit=1000";
  const auto before = routes.call("GET", events).json()["data"];
  REQUIRE(routes.call("POST", jobs + "/" + id + "/cancel").status == 200);
  {
    auto database = routes.databases.checkout();
    while (thin_events(*database)) {
    }
  }
  const auto after = routes.call("GET", events).json()["data"];
  CHECK(after.size() < before.size());
  for (const auto& cursor : before) {
    const auto rest = routes.call("GET", events + "&after=" + cursor["id"].get<std::string>());
    CHECK_MESSAGE(rest.status == 200, rest.body);
  }
  const std::string none = before[0]["id"].get<std::string>() + "0";
  error_of(routes.call("GET", events + "&after=" + none), 400);
}

TEST_CASE("checkpoints carry plain accuracy in the contract's places") {
  RouteFixture routes;
  const auto version = routes.add_version("mood");
  {
    auto database = routes.databases.checkout();
    Transaction transaction(*database);
    Checkpoint checkpoint;
    checkpoint.job_id = version.job_id;
    checkpoint.trial_id = version.trial_id;
    checkpoint.created_at = routes.now;
    checkpoint.step = 40;
    checkpoint.epoch = 1;
    checkpoint.metrics = R"({"train_loss":0.5,"valid_loss":0.25,"valid_accuracy":0.75})";
    insert_checkpoint(*database, checkpoint);
    transaction.commit();
  }
  const auto page = routes.call("GET", jobs + "/" + version.job_id + "/checkpoints").json();
  REQUIRE(page["data"].size() == 1);
  const auto checkpoint = page["data"][0];
  CHECK(checkpoint["object"] == "fine_tuning.job.checkpoint");
  CHECK(checkpoint["fine_tuning_job_id"] == version.job_id);
  CHECK(checkpoint["step_number"] == 40);
  CHECK(checkpoint["fine_tuned_model_checkpoint"] == version.model_id + ":ckpt-step-40");
  CHECK(checkpoint["metrics"]["valid_mean_token_accuracy"] == 0.75);
  CHECK(checkpoint["metrics"]["full_valid_loss"] == 0.25);
  CHECK_FALSE(checkpoint["metrics"].contains("valid_macro_f1"));  // not measured: absent
  CHECK(page["first_id"] == checkpoint["id"]);
}

TEST_CASE("a client's retry of a creation finds the job of its first try") {
  RouteFixture routes;
  const auto file = routes.add_file(row);
  const Headers retry = {{"x-stainless-retry-count", "1"}};
  const auto id = [&](const std::string& more, const Headers& headers) {
    const auto answer = routes.call("POST", jobs, body_for(file, more), headers);
    REQUIRE_MESSAGE(answer.status == 200, answer.body);
    return std::string(answer.json()["id"]);
  };
  const auto first = id("", {{"x-stainless-retry-count", "0"}});
  CHECK(id("", retry) == first);  // the seed was drawn anew and does not count
  CHECK(id("", {}) != first);     // on purpose
  const auto seeded = id(R"(, "seed": 1)", {});
  CHECK(id(R"(, "seed": 1)", retry) == seeded);
  CHECK(id(R"(, "seed": 2)", retry) != seeded);
  CHECK(id(R"(, "learning_rate": 0.01)", retry) != first);
  CHECK(id(R"(, "metadata": {"a": "b"})", retry) != first);
  routes.now += 601;
  CHECK(id(R"(, "seed": 1)", retry) != seeded);
}

TEST_CASE("an idempotency key makes one job, and is not for another body") {
  RouteFixture routes;
  const auto file = routes.add_file(row);
  const Headers key = {{"idempotency-key", "k1"}};
  const auto first = routes.call("POST", jobs, body_for(file), key).json();
  CHECK(routes.call("POST", jobs, body_for(file), key).json()["id"] == first["id"]);
  CHECK(error_of(routes.call("POST", jobs, body_for(file, R"(, "task": "other")"), key),
                 400)["code"] == "idempotency_key_reused");
  CHECK(routes.call("POST", jobs, body_for(file), {{"idempotency-key", "k2"}}).json()["id"] !=
        first["id"]);
  CHECK(error_of(
            routes.call("POST", jobs, body_for(file), {{"idempotency-key", std::string(256, 'k')}}),
            400)["param"] == "Idempotency-Key");
  // Another customer's key of the same text is another key.
  CHECK(routes.call_as(routes.rival_key, "GET", jobs).json()["data"].empty());
}

TEST_CASE("a repeated request finds its job whatever became of the file") {
  RouteFixture routes;
  const auto file = routes.add_file(row);
  const Headers key = {{"idempotency-key", "k1"}};
  const auto first = routes.call("POST", jobs, body_for(file), key).json();
  REQUIRE(routes.call("DELETE", "/v1/files/" + file).status == 200);
  const auto again = routes.call("POST", jobs, body_for(file), key);
  CHECK(again.status == 200);
  CHECK(again.json()["id"] == first["id"]);
  CHECK(error_of(routes.call("POST", jobs, body_for(file, R"(, "seed": 9)"), key), 400)["code"] ==
        "idempotency_key_reused");
  CHECK(error_of(routes.call("POST", jobs, body_for(file)), 400)["code"] == "file_not_found");
}

TEST_CASE("no task is named like an id, and an id answers for its own task") {
  RouteFixture routes;
  const auto file = routes.add_file(row);
  const auto made = routes.add_version("mood");
  const auto create = [&](const std::string& task) {
    return routes.call("POST", jobs, body_for(file, R"(, "task": ")" + task + "\""));
  };
  const auto taken = error_of(create(made.task_id), 400);
  CHECK(taken["code"] == "reserved_name");
  CHECK(std::string(taken["message"]).find("is the id of task 'mood'") != std::string::npos);
  for (const char* name : {"task_1", "ver_1", "file-1", "ftjob-1", "ftckpt-1", "ftevent-1"}) {
    CAPTURE(name);
    CHECK(error_of(create(name), 400)["code"] == "reserved_name");
  }
  CHECK(create("task-force").status == 200);

  // Rows from before: one named like the id of another, one named like an id of nobody.
  auto database = routes.databases.checkout();
  for (const std::string& name : {made.task_id, std::string("file-sorter")}) {
    NewJob old;
    old.customer = routes.acme.id;
    old.task_name = name;
    old.model = "minilm";
    old.training_file = file;
    old.trials = {write_specification({})};
    create_job(*database, old, routes.now);
  }
  CHECK(routes.call("GET", "/v1/tasks/" + made.task_id).json()["name"] == "mood");
  CHECK(create(made.task_id).status == 400);
  CHECK(create("file-sorter").status == 200);
}

TEST_CASE(
    "every list: an empty parameter is none, an unknown cursor is named, a deleted one goes on") {
  RouteFixture routes;
  const auto version = routes.add_version("mood");
  routes.add_version("mood");
  const auto file = routes.add_file(row);
  int lists = 0;
  for (const std::string& path :
       {std::string("/v1/files"), std::string(jobs), std::string("/v1/tasks"),
        std::string("/v1/tasks/mood/versions"), jobs + ("/" + version.job_id) + "/events",
        jobs + ("/" + version.job_id) + "/checkpoints"}) {
    CAPTURE(path);
    const auto first = routes.call("GET", path);
    CHECK(first.status == 200);
    CHECK(routes.call("GET", path + "?after=").body == first.body);
    std::string empty = "?";
    for (const std::string& name : *routes.router.match("GET", path).route->query)
      if (!name.starts_with("metadata")) empty += name + "=&";
    CHECK(routes.call("GET", path + empty).body == first.body);
    const auto unknown = error_of(routes.call("GET", path + "?status=failed"), 400);
    CHECK(unknown["code"] == "unknown_parameter");
    CHECK(unknown["param"] == "status");
    const auto error = error_of(routes.call("GET", path + "?after=nobody"), 400);
    CHECK(error["code"] == "unknown_cursor");
    CHECK(error["param"] == "after");
    CHECK(std::string(error["message"]).find("'nobody'") != std::string::npos);
    const auto items = first.json();
    for (const auto& item : items["data"])
      CHECK(routes.call("GET", path + "?after=" + std::string(item["id"])).status == 200);
    ++lists;
  }
  CHECK(lists == 6);

  const auto before = routes.call("GET", "/v1/files?after=" + file).body;
  REQUIRE(routes.call("DELETE", "/v1/files/" + file).status == 200);
  CHECK(routes.call("GET", "/v1/files?after=" + file).body == before);
}

}  // namespace graft
