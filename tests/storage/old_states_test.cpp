// A database of the schema before trials had a life of their own, with jobs in every state: after
// the migrations each job and its trials say the same.
#include <doctest/doctest.h>
#include <sqlite3.h>

#include <map>

#include "storage/events.h"
#include "storage/migrate.h"
#include "tests/storage/scratch.h"

using namespace graft;

namespace {

// Jobs 1 to 7, one a status; ftjob-5 succeeded with the second of its two trials. Each has begun
// but the first two. Three events each.
constexpr char rows[] = R"(
INSERT INTO customers (name, created_at) VALUES ('acme', 1);
INSERT INTO files (public_id, customer_id, sha256, bytes, filename, purpose, created_at)
  VALUES ('file-1', 1, printf('%064d', 1), 1, 'rows.csv', 'fine-tune', 1);
INSERT INTO tasks (public_id, customer_id, name, adapter_name, kind, created_at)
  VALUES ('task_1', 1, 'mood', 't_1', 'classification', 1);
CREATE TEMP TABLE s (i INTEGER, status TEXT);
INSERT INTO s VALUES (1, 'validating_files'), (2, 'queued'), (3, 'running'), (4, 'paused'),
  (5, 'succeeded'), (6, 'failed'), (7, 'cancelled');
INSERT INTO jobs (id, public_id, customer_id, task_id, status, created_at, started_at, finished_at,
  estimated_finish, model, backbone_sha256, training_file_id, seed, learning_rate_multiplier,
  has_metadata, attempts, step, total_steps, tokens_per_second, trained_tokens, error_code,
  error_message, error_param)
SELECT i, 'ftjob-' || i, 1, 1, iif(i = 5, 'running', status), 100 + i, iif(i > 2, 200, NULL),
  iif(i > 5, 300, NULL), iif(i = 3, 400, NULL), 'minilm', 'b', 1, 7, 1, 0, iif(i > 2, i, 0),
  iif(i > 2, 10 * i, 0), iif(i > 2, 100, 0), iif(i = 3, 1234.5, 0), iif(i > 2, 1000 * i, 0),
  iif(i = 6, 'diverged', NULL), iif(i = 6, 'It diverged.', NULL),
  iif(i = 6, 'hyperparameters', NULL) FROM s;
INSERT INTO trials (public_id, job_id, number, method, size, activation, init_std,
  train_layer_norm, learning_rate, batch_size, n_epochs, max_length, warmup_ratio, weight_decay,
  validation_fraction, seed)
SELECT 'trial_' || i || '_' || n, i, n, 'houlsby', 48, 'swish', 0.02, 0, 0.001, 16, 3, 128, 0.1, 0,
  0.1, 7 FROM s, (SELECT 0 AS n UNION SELECT 1) WHERE n = 0 OR i = 5;
INSERT INTO adapter_versions (public_id, customer_id, task_id, number, model_id, job_id, trial_id,
  backbone_name, backbone_sha256, bundle_sha256, bundle_bytes, label_count, metrics, created_at)
SELECT 'ver_1', 1, 1, 1, 'ft:m', 5, t.id, 'minilm', 'b', printf('%064d', 2), 1, 0, '{}', 300
FROM trials t WHERE t.public_id = 'trial_5_1';
UPDATE jobs SET status = 'succeeded', finished_at = 300,
  version_id = (SELECT id FROM adapter_versions) WHERE id = 5;
INSERT INTO runs (public_id, status, launched_at) VALUES ('run_3', 'running', 200);
INSERT INTO run_lanes SELECT 1, 0, id FROM trials WHERE public_id = 'trial_3_0';
INSERT INTO events (public_id, job_id, created_at, level, type, message)
SELECT 'ftevent-' || i || 'abc' || n, i, n, 'info', iif(n = 2, 'metrics', 'message'), 'event ' || n
FROM (SELECT 1 AS n UNION SELECT 2 UNION SELECT 3), s ORDER BY n, i;
)";

struct OldDatabase {
  ScratchDirectory directory;
  Database database;

  OldDatabase() : database(made(directory)) {}

  static Database made(const ScratchDirectory& directory) {
    sqlite3* handle = nullptr;
    REQUIRE(sqlite3_open((directory / "graft.db").c_str(), &handle) == SQLITE_OK);
    migrate(handle, embedded_migrations().first(2));
    execute(handle, rows);
    sqlite3_close(handle);
    return Database::open(directory / "graft.db");
  }
  Job job(int number) { return find_job(database, 1, "ftjob-" + std::to_string(number)).value(); }
  std::vector<Trial> trials(int number) {
    return list_trials(database, "ftjob-" + std::to_string(number));
  }
};

const std::map<int, JobStatus> statuses = {{1, JobStatus::validating_files}, {2, JobStatus::queued},
                                           {3, JobStatus::running},          {4, JobStatus::paused},
                                           {5, JobStatus::succeeded},        {6, JobStatus::failed},
                                           {7, JobStatus::cancelled}};

}  // namespace

TEST_CASE("events from before have a place in their job, and all of them stay") {
  OldDatabase old;
  for (int i = 0; i < 100 && thin_events(old.database); ++i) {
  }
  for (const auto& [number, status] : statuses) {
    const std::string id = "ftjob-" + std::to_string(number);
    CAPTURE(id);
    const auto events = list_events(old.database, id, {}).items;
    REQUIRE(events.size() == 3);
    for (int place = 1; place <= 3; ++place) {
      CHECK(events[3 - place].message == "event " + std::to_string(place));
      CHECK(event_number(old.database, id, events[3 - place].id) == place);
    }
    CHECK(event_number(old.database, id, events[1].id));
    insert_event(old.database, {.job_id = id, .message = "new"}, noon);
    CHECK(list_events(old.database, id, {}).items.at(0).message == "new");
    CHECK(list_events(old.database, id, {.after = events[0].id}).items.size() == 2);
  }
}

TEST_CASE("jobs of every state, and their trials, say the same as before trials had their own") {
  OldDatabase old;
  for (const auto& [number, status] : statuses) {
    CAPTURE(number);
    const Job job = old.job(number);
    CHECK(job.status == status);
    const bool began = number > 2;
    CHECK(job.attempts == (began ? number : 0));
    CHECK(job.progress.step == (began ? 10 * number : 0));
    CHECK(job.progress.total_steps == (began ? 100 : 0));
    CHECK(job.trained_tokens == (began ? 1000 * number : 0));
    CHECK(job.started_at.has_value() == began);
    CHECK(job.finished_at.has_value() == is_final(status));
    const Trial trial = old.trials(number).back();
    CHECK(to_string(trial.status) ==
          (status == JobStatus::validating_files ? "queued" : to_string(status)));
    CHECK(trial.attempts == job.attempts);
    CHECK(trial.failures == 0);
    CHECK_FALSE(trial.checkpoint_sha256);
  }
  CHECK(old.job(3).estimated_finish == 400);
  CHECK(old.job(3).progress.tokens_per_second == 1234.5);
  CHECK(old.job(6).error->code == "diverged");
  CHECK(old.job(6).error->param == "hyperparameters");
  CHECK(old.job(5).fine_tuned_model == "ft:m");
  // Of two trials the one that made the version is the one that succeeded.
  REQUIRE(old.trials(5).size() == 2);
  CHECK(old.trials(5)[0].status == TrialStatus::cancelled);
  CHECK(old.trials(5)[1].status == TrialStatus::succeeded);
}

TEST_CASE("jobs of every state go on after the migrations, and final ones stay final") {
  OldDatabase old;
  Database& database = old.database;
  REQUIRE(list_active_runs(database).size() == 1);
  CHECK(list_lanes(database, "run_3").at(0).job.id == "ftjob-3");

  CHECK(claim_next_job(database, noon));  // the queued one; those that run or wait are not due
  CHECK(old.job(2).status == JobStatus::running);
  CHECK_FALSE(claim_next_job(database, noon));
  CHECK(enqueue_job(database, "ftjob-1", noon));
  CHECK(claim_next_job(database, noon));
  CHECK(resume_job(database, 1, "ftjob-4", noon) == PauseOutcome::changed);
  CHECK(claim_next_job(database, noon));
  CHECK(old.trials(4)[0].attempts == 5);
  CHECK(fail_trial(database, "trial_3_0", {"worker_died", "It died.", ""}, noon));
  CHECK(old.job(3).status == JobStatus::failed);
  for (const int number : {5, 6, 7}) {
    const std::string id = "ftjob-" + std::to_string(number);
    CHECK(cancel_job(database, 1, id, noon) == CancelOutcome::already_final);
    CHECK_FALSE(fail_job(database, id, {"c", "m", ""}, noon));
    CHECK_THROWS_AS(
        execute(database.handle(),
                "UPDATE trials SET status = 'queued' WHERE job_id = " + std::to_string(number)),
        StorageError);
  }
}
