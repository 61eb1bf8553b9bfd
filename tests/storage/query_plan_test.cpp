// Every query that runs on requests and ticks stays fast however many rows there are: SQLite's own
// plans read no whole table and sort nothing, and with 100,000 rows of everything the work of each
// call is counted in steps of SQLite's machine, which are the same on every run.
#include <doctest/doctest.h>
#include <sqlite3.h>

#include <map>
#include <set>

#include "storage/events.h"
#include "storage/last_checkpoints.h"
#include "tests/storage/scratch.h"

using namespace graft;

namespace {

constexpr int many = 100'000;

// Watches a connection: the texts of its statements, and the machine steps they took.
class Watch {
 public:
  explicit Watch(Database& database) : handle_(database.handle()) {
    sqlite3_trace_v2(handle_, SQLITE_TRACE_STMT | SQLITE_TRACE_PROFILE, &Watch::seen, this);
  }
  ~Watch() { stop(); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  void stop() { sqlite3_trace_v2(handle_, 0, nullptr, nullptr); }
  const std::set<std::string>& statements() const { return statements_; }
  int steps() const { return steps_; }

 private:
  static int seen(unsigned kind, void* self, void* statement, void*) {
    auto* const watch = static_cast<Watch*>(self);
    auto* const prepared = static_cast<sqlite3_stmt*>(statement);
    if (kind == SQLITE_TRACE_STMT) {
      watch->statements_.insert(sqlite3_sql(prepared));
    } else {
      watch->steps_ += sqlite3_stmt_status(prepared, SQLITE_STMTSTATUS_VM_STEP, 0);
    }
    return 0;
  }

  sqlite3* handle_;
  std::set<std::string> statements_;
  int steps_ = 0;
};

// 100,000 jobs, files, tasks, versions, runs and alias changes of one customer; one job with
// 100,000 events.
void fill(Database& database) {
  const std::string count =
      "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " +
      std::to_string(many) + ") ";
  const std::string hash = "printf('%064d', i)";
  Transaction transaction(database);
  const auto run = [&](const std::string& sql) { Statement(database, count + sql).run(); };
  run("INSERT INTO files (public_id, customer_id, sha256, bytes, filename, purpose, created_at) "
      "SELECT 'file-' || i, 1, " +
      hash + ", 1, 'f.csv', 'fine-tune', i FROM n");
  run("INSERT INTO tasks (public_id, customer_id, name, adapter_name, kind, created_at) "
      "SELECT 'task_' || i, 1, 'name' || i, 't_' || i, 'classification', i FROM n");
  // Most jobs have failed, all over the same file; every tenth waits in the queue, every tenth to
  // be checked.
  run("INSERT INTO jobs (public_id, customer_id, task_id, status, created_at, finished_at, model, "
      "backbone_sha256, training_file_id, seed, learning_rate_multiplier, has_metadata, "
      "idempotency_key, error_code) "
      "SELECT 'ftjob-' || i, 1, 1 + i % 10, CASE i % 10 WHEN 0 THEN 'queued' WHEN 5 THEN "
      "'validating_files' ELSE 'failed' END, i, iif(i % 5, i, NULL), "
      "'minilm', 'b', 1, i, 1, 1, 'key' || i, iif(i % 5, 'e', NULL) FROM n");
  run("INSERT INTO job_metadata SELECT i, 1, 'team', 'team' || (i % 1000) FROM n");
  run("INSERT INTO job_metadata SELECT i, 1, 'stage', 'test' FROM n");
  run("INSERT INTO trials (public_id, job_id, number, status) "
      "SELECT 'trial_' || i, i, 0, iif(i % 10, 'failed', 'queued') FROM n");
  run("INSERT INTO events (public_id, job_id, number, created_at, level, type, message) "
      "SELECT 'ftevent-' || i, 1, i, i, 'info', 'message', 'm' FROM n");
  run("INSERT INTO checkpoints (public_id, job_id, trial_id, created_at, step, epoch) "
      "SELECT 'ftckpt_' || i, 1, 1, i, i, i FROM n");
  run("INSERT INTO metric_points (trial_id, step) SELECT i, 1 FROM n");
  run("INSERT INTO runs (public_id, status, launched_at, ended_at) "
      "SELECT 'run_' || i, 'ended', i, i FROM n");
  run("INSERT INTO run_lanes SELECT i, 0, i FROM n");
  run("INSERT INTO adapter_versions (public_id, customer_id, task_id, number, model_id, job_id, "
      "trial_id, backbone_name, backbone_sha256, bundle_sha256, bundle_bytes, label_count, "
      "metrics, "
      "created_at) SELECT 'ver_' || i, 1, 1 + i % 10, (i + 9) / 10, 'ft:' || i, i, i, 'minilm', "
      "'b', " +
      hash + ", 1, 0, '{}', i FROM n");
  run("INSERT INTO alias_changes (task_id, name, version_id, changed_at) "
      "SELECT 1 + i % 1000, 'alias' || (i % 7), i, i FROM n");
  run("INSERT INTO api_keys (public_id, customer_id, prefix, secret_sha256, created_at) "
      "SELECT 'key_' || i, 1, 'p' || i, " +
      hash + ", i FROM n");
  transaction.commit();
}

struct Call {
  std::string name;
  std::function<void(Database&)> call;
};

const std::string filled_hash = std::string(59, '0') + "50000";

Task task_in_the_middle() {
  return {.id = "task_500", .customer = 1};
}

std::vector<Call> reading_calls() {
  const NewJob twin{.customer = 1, .task_name = "t", .model = "minilm", .training_file = "file-1"};
  return {
      {"find_file", [](Database& d) { CHECK(find_file(d, 1, "file-9", 0)); }},
      {"list_files", [](Database& d) { CHECK(list_files(d, 1, {.limit = 20}, 0).has_more); }},
      {"list_files of a purpose, oldest first, after one",
       [](Database& d) {
         const FileQuery query{"fine-tune", "file-50000", 20, true};
         CHECK(list_files(d, 1, query, 0).items.at(0).id == "file-50001");
       }},
      {"is_blob_referenced",
       [](Database& d) {
         CHECK(is_blob_referenced(d, filled_hash, 0));
         CHECK_FALSE(is_blob_referenced(d, sha256_of_bytes("none"), 0));
       }},
      {"find_job", [](Database& d) { CHECK(find_job(d, 1, "ftjob-9")); }},
      {"list_jobs", [](Database& d) { CHECK(list_jobs(d, 1, {}).has_more); }},
      {"list_jobs after one",
       [](Database& d) {
         CHECK(list_jobs(d, 1, {.after = "ftjob-50000"}).items.at(0).id == "ftjob-49999");
       }},
      {"list_jobs by metadata",
       [](Database& d) {
         const JobQuery query{.after = "ftjob-50000", .metadata = {{"team", "team7"}}};
         CHECK(list_jobs(d, 1, query).items.at(0).id == "ftjob-49007");
       }},
      {"list_jobs by a pair that all have and one that few have",
       [](Database& d) {
         const JobQuery query{.metadata = {{"stage", "test"}, {"team", "team7"}}};
         CHECK(list_jobs(d, 1, query).items.at(0).id == "ftjob-99007");
       }},
      {"list_jobs by metadata that no job has",
       [](Database& d) {
         CHECK(list_jobs(d, 1, {.metadata = {{"team", "z"}}}).items.empty());
       }},
      {"list_jobs without metadata",
       [](Database& d) { CHECK(list_jobs(d, 1, {.without_metadata = true}).items.empty()); }},
      {"list_jobs of a task",
       [](Database& d) { CHECK(list_jobs(d, 1, {.task_id = "task_5"}).items.size() == 20); }},
      {"find_recent_twin",
       [twin](Database& d) { CHECK_FALSE(find_recent_twin(d, twin, many - 10)); }},
      {"list_trials", [](Database& d) { CHECK(list_trials(d, "ftjob-9").size() == 1); }},
      {"list_validating_jobs",
       [](Database& d) {
         CHECK(list_validating_jobs(d, 16).size() == 16);
         CHECK(list_validating_jobs(d, 16, "ftjob-50005").at(0).id == "ftjob-50015");
       }},
      {"list_checkpoints",
       [](Database& d) {
         CHECK(list_checkpoints(d, "ftjob-1", {.after = "ftckpt_50000"}).items.at(0).step == 49999);
       }},
      {"list_ended_trials_with_checkpoint",
       [](Database& d) { CHECK(list_ended_trials_with_checkpoint(d, 8).empty()); }},
      {"list_metric_points",
       [](Database& d) { CHECK(list_metric_points(d, "ftjob-9").size() == 1); }},
      {"list_events",
       [](Database& d) {
         const EventQuery query{.after = "ftevent-50000"};
         CHECK(list_events(d, "ftjob-1", query).items.at(0).id == "ftevent-49999");
       }},
      {"list_events after one that is gone",
       [](Database& d) {
         const EventQuery query{.after = "ftevent-1-50000"};
         CHECK(list_events(d, "ftjob-1", query).items.at(0).id == "ftevent-49999");
       }},
      {"list_active_runs", [](Database& d) { CHECK(list_active_runs(d).empty()); }},
      {"list_lanes", [](Database& d) { CHECK(list_lanes(d, "run_9").size() == 1); }},
      {"list_tasks", [](Database& d) { CHECK(list_tasks(d, 1, {.limit = 9}).has_more); }},
      {"list_tasks after one",
       [](Database& d) {
         CHECK(list_tasks(d, 1, {.after = "task_9", .limit = 20}).items.at(7).versions == 10'000);
       }},
      {"find_task", [](Database& d) { CHECK(find_task(d, 1, "name9")); }},
      {"find_task by id",
       [](Database& d) { CHECK(find_task(d, 1, "task_9")->versions == 10'000); }},
      {"list_aliases",
       [](Database& d) { CHECK(list_aliases(d, task_in_the_middle()).size() == 7); }},
      {"find_alias", [](Database& d) { CHECK(find_alias(d, task_in_the_middle(), "alias3")); }},
      {"alias_history",
       [](Database& d) { CHECK(alias_history(d, task_in_the_middle(), "alias3").size() > 10); }},
      {"find_version",
       [](Database& d) { CHECK(find_version(d, {.id = "task_3", .customer = 1}, 5000)); }},
      {"list_versions",
       [](Database& d) { CHECK(list_versions(d, task_in_the_middle(), {}).items.empty()); }},
      {"find_version_by_model",
       [](Database& d) { CHECK(find_version_by_model(d, 1, "ft:50000")); }},
      {"list_models of a customer with none",
       [](Database& d) { CHECK(list_models(d, 2).items.empty()); }},
      {"list_models",
       [](Database& d) {
         const ModelQuery query{.after = "ft:50000", .limit = 20};
         CHECK(list_models(d, 1, query).items.at(0).model_id == "ft:49999");
       }},
      {"check_readable", [](Database& d) { check_readable(d); }},
      {"authenticate", [](Database& d) { CHECK_FALSE(authenticate(d, "graft_nobody", noon)); }},
  };
}

std::vector<Call> writing_calls() {
  NewJob job{.customer = 1,
             .task_name = "name9",
             .model = "minilm",
             .backbone_sha256 = "b",
             .training_file = "file-9",
             .metadata = {{"team", "new"}},
             .trials = {a_trial()},
             .idempotency_key = "new key"};
  return {
      {"claim_next_job",
       [](Database& d) {
         CHECK(list_lanes(d, claim_next_job(d, many).value().id).at(0).job.id == "ftjob-10");
       }},
      {"claim_next_job with others on its backbone",
       [](Database& d) {
         const Run run = claim_next_job(d, many, {.most_jobs = 4}).value();
         CHECK(list_lanes(d, run.id).size() == 4);
       }},
      {"publish_version",
       [](Database& d) {
         CHECK(publish_version(d,
                               {.job_id = "ftjob-10",
                                .trial_id = "trial_10",
                                .backbone_sha256 = "b",
                                .bundle = blob_of("bundle"),
                                .labels = {"a", "b"},
                                .metrics = "{}",
                                .result_file = blob_of("csv")},
                               many)
                   ->number == 10'001);
       }},
      {"create_job", [job](Database& d) { create_job(d, job, many); }},
      {"cancel_job",
       [](Database& d) {
         CHECK(cancel_job(d, 1, "ftjob-50000", many) == CancelOutcome::cancelled);
       }},
      {"fail_job",
       [](Database& d) {
         CHECK(fail_job(d, "ftjob-60000", {"c", "m", ""}, many));
       }},
      {"insert_event", [](Database& d) { insert_event(d, {.job_id = "ftjob-9"}, many); }},
      {"thin_events", [](Database& d) { CHECK(thin_events(d)); }},
      {"update_progress", [](Database& d) { update_progress(d, "trial_9", {}, 0, {}); }},
      {"insert_metric_point", [](Database& d) { insert_metric_point(d, "trial_9", {.step = 2}); }},
      {"insert_checkpoint", [](Database& d) { insert_checkpoint(d, {.trial_id = "trial_9"}); }},
      {"set_records_offset", [](Database& d) { set_records_offset(d, "run_9", 1); }},
      {"end_run", [](Database& d) { end_run(d, "run_9", "done", many); }},
      {"insert_file", [](Database& d) { a_file(d, 1, "new"); }},
      {"delete_file", [](Database& d) { CHECK(delete_file(d, 1, "file-7", many)); }},
      {"set_alias",
       [](Database& d) {
         CHECK(set_alias(d, {.id = "task_3", .customer = 1}, "live", 5000, many));
       }},
      {"hide_version", [](Database& d) { CHECK(hide_version(d, 1, "ft:50000", many)); }},
      {"revoke_api_key", [](Database& d) { CHECK(revoke_api_key(d, "p50000", many)); }},
  };
}

// What of a plan would grow with the rows: whole tables read, and sorting.
std::vector<std::string> slow_parts(Database& database, const std::string& sql) {
  std::vector<std::string> slow;
  // Not our Statement: plans are the same whatever the parameters, so none are bound.
  sqlite3_stmt* plan = nullptr;
  REQUIRE(sqlite3_prepare_v2(database.handle(), ("EXPLAIN QUERY PLAN " + sql).c_str(), -1, &plan,
                             nullptr) == SQLITE_OK);
  while (sqlite3_step(plan) == SQLITE_ROW) {
    const std::string detail = reinterpret_cast<const char*>(sqlite3_column_text(plan, 3));
    // runs_active holds active runs alone; the subquery has a LIMIT; a job's own few hundred points
    // may be sorted.
    const bool whole_table = detail.starts_with("SCAN") && detail != "SCAN CONSTANT ROW" &&
                             detail != "SCAN runs USING INDEX runs_active" &&
                             detail != "SCAN (subquery-1)";
    const bool sorting = detail.find("TEMP B-TREE") != std::string::npos &&
                         sql.find("CROSS JOIN metric_points") == std::string::npos;
    if (whole_table || sorting) {
      slow.push_back(detail);
    }
  }
  sqlite3_finalize(plan);
  return slow;
}

}  // namespace

TEST_CASE(
    "with 100,000 rows of everything each call does little work and no plan reads a whole table") {
  ScratchDatabase database;
  ensure_customer(database, "acme", noon);
  ensure_customer(database, "small", noon);
  fill(database);
  std::set<std::string> statements;
  std::vector<Call> calls = reading_calls();
  for (Call& call : writing_calls()) {
    calls.push_back(std::move(call));
  }
  for (const Call& call : calls) {
    CAPTURE(call.name);
    Watch watch(database);
    call.call(database);
    watch.stop();
    CHECK(watch.steps() > 0);
    CHECK(watch.steps() < 10'000);
    statements.insert(watch.statements().begin(), watch.statements().end());
  }
  CHECK(statements.size() > 50);
  for (const std::string& sql : statements) {
    if (sql.starts_with("BEGIN") || sql.starts_with("COMMIT")) {
      continue;
    }
    CAPTURE(sql);
    const auto slow = slow_parts(database, sql);
    CHECK_MESSAGE(slow.empty(), (slow.empty() ? "" : slow[0]));
  }
}
