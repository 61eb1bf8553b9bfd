// The registry: versions that never change.
#include "storage/adapters.h"

#include <doctest/doctest.h>

#include "storage/events.h"
#include "tests/storage/scratch.h"

using namespace graft;

TEST_CASE("publishing makes the next version of the task and ends the job in one transaction") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  const Job job = a_queued_job(database, acme.id);
  const AdapterVersion version = publish_next(database, noon + 5);

  CHECK(version.id.substr(0, 4) == "ver_");
  CHECK(version.number == 1);
  CHECK(version.customer == acme.id);
  CHECK(version.task_name == "mood");
  CHECK(version.job_id == job.id);
  CHECK(version.trial_id == list_trials(database, job.id).at(0).id);
  CHECK(version.backbone_name == "minilm");
  CHECK(version.backbone_sha256 == sha256_of_bytes("backbone"));
  CHECK(version.bundle_sha256 == sha256_of_bytes("bundle of " + job.id));
  CHECK(version.labels == std::vector<std::string>{"negative", "positive"});
  CHECK(version.metrics == R"({"valid_accuracy":0.5})");
  CHECK(version.created_at == noon + 5);
  CHECK_FALSE(version.hidden);
  CHECK(version.model_id.substr(0, 18) == "ft:minilm:acme:s1:");
  CHECK(version.model_id.size() == 26);

  const Job done = find_job(database, acme.id, job.id).value();
  CHECK(done.status == JobStatus::succeeded);
  CHECK(done.finished_at == noon + 5);
  CHECK(done.fine_tuned_model == version.model_id);
  CHECK(done.version == 1);
  CHECK(done.trained_tokens == 1234);
  REQUIRE(done.result_files.size() == 1);
  const File results = find_file(database, acme.id, done.result_files[0], noon + 5).value();
  CHECK(results.purpose == "fine-tune-results");
  CHECK(results.sha256 == sha256_of_bytes("step,train_loss\n"));
  const auto events = list_events(database, job.id, {}).items;
  CHECK(events[0].message == "Fine tuning job successfully completed");
  CHECK(events[1].message == "New fine-tuned model created: " + version.model_id);

  a_queued_job(database, acme.id);
  a_queued_job(database, acme.id, "other task");
  CHECK(publish_next(database).number == 2);
  CHECK(publish_next(database).number == 1);
  const Task task = find_task(database, acme.id, "mood").value();
  CHECK(task.versions == 2);
  CHECK(task.latest == 2);
  CHECK(list_versions(database, task, {}).items.at(0).number == 2);
  CHECK(find_version(database, task, 1)->model_id == version.model_id);
  CHECK_FALSE(find_version(database, task, 3).has_value());
}

TEST_CASE("a model's id names the suffix, else the task that was given, else nothing") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  const auto model_of = [&](const std::string& task) {
    NewJob wanted = a_new_job(acme.id, a_file(database, acme.id));
    wanted.suffix = std::nullopt;
    wanted.task_name = task;
    enqueue_job(database, create_job(database, wanted, noon).id, noon);
    return publish_next(database).model_id;
  };
  CHECK(model_of("mood").starts_with("ft:minilm:acme:mood:"));
  CHECK(model_of("").starts_with("ft:minilm:acme::"));
}

TEST_CASE("publishing for a job that was cancelled meanwhile writes nothing") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  const Job job = a_queued_job(database, acme.id);
  const Run run = claim_next_job(database, noon).value();
  const Trial trial = list_lanes(database, run.id).at(0).trial;
  cancel_job(database, acme.id, job.id, noon);
  const auto events = list_events(database, job.id, {.limit = 100}).items.size();
  CHECK_FALSE(publish_version(database,
                              {.job_id = job.id,
                               .trial_id = trial.id,
                               .backbone_sha256 = job.backbone_sha256,
                               .bundle = blob_of("bundle"),
                               .labels = {"a", "b"},
                               .metrics = "{}",
                               .result_file = blob_of("csv")},
                              noon)
                  .has_value());
  CHECK(list_versions(database, find_task(database, acme.id, "mood").value(), {}).items.empty());
  CHECK(list_files(database, acme.id, {.purpose = "fine-tune-results"}, noon).items.empty());
  CHECK(list_events(database, job.id, {.limit = 100}).items.size() == events);
  CHECK(find_job(database, acme.id, job.id)->status == JobStatus::cancelled);
}

TEST_CASE("publishing that fails half way leaves the job running and no trace of a version") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  const Job job = a_queued_job(database, acme.id);
  const Run run = claim_next_job(database, noon).value();
  const Trial trial = list_lanes(database, run.id).at(0).trial;
  NewAdapterVersion version{.job_id = job.id,
                            .trial_id = trial.id,
                            .backbone_sha256 = job.backbone_sha256,
                            .bundle = blob_of("bundle"),
                            .labels = {"a", "b"},
                            .metrics = "{}",
                            .result_file = Blob{"not a hash", 1}};
  CHECK_THROWS_AS(publish_version(database, version, noon), StorageError);
  CHECK(list_models(database, acme.id).items.empty());
  CHECK(find_job(database, acme.id, job.id)->status == JobStatus::running);
  version.result_file = std::nullopt;
  version.trial_id = "trial_of_somebody_else";
  CHECK_THROWS_AS(publish_version(database, version, noon), StorageError);
  version.trial_id = trial.id;
  CHECK(publish_version(database, version, noon)->number == 1);
}

TEST_CASE("adapter versions and their labels refuse every change, each with a reason") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  a_queued_job(database, acme.id);
  const AdapterVersion before = publish_next(database);
  const auto refused = [&](const std::string& sql) -> std::string {
    try {
      execute(database.database.handle(), sql);
    } catch (const StorageError& error) {
      return error.what();
    }
    return "not refused";
  };
  const std::string immutable =
      "database: adapter versions are immutable: train the task again for a new version";
  CHECK(refused("UPDATE adapter_versions SET bundle_sha256 = '" + sha256_of_bytes("x") + "'") ==
        immutable);
  CHECK(refused("UPDATE adapter_versions SET metrics = '{}'") == immutable);
  CHECK(refused("UPDATE adapter_versions SET task_id = task_id") == immutable);
  CHECK(refused("DELETE FROM adapter_versions") ==
        "database: adapter versions are never deleted: hide the version instead");
  CHECK(refused("INSERT OR REPLACE INTO adapter_versions SELECT * FROM adapter_versions") ==
        "database: this adapter version exists already and is immutable");
  CHECK(
      refused("REPLACE INTO adapter_versions SELECT 99, 'ver_x', customer_id, task_id, number, "
              "'m', job_id, trial_id, backbone_name, backbone_sha256, bundle_sha256, bundle_bytes, "
              "label_count, metrics, created_at, kind, report FROM adapter_versions") ==
      "database: this adapter version exists already and is immutable");
  CHECK(refused("UPDATE adapter_version_labels SET label = 'x'") ==
        "database: labels of an adapter version are immutable");
  CHECK(refused("DELETE FROM adapter_version_labels") ==
        "database: labels of an adapter version are never deleted");
  CHECK(refused("REPLACE INTO adapter_version_labels VALUES (1, 0, 'x')") ==
        "database: labels of an adapter version are immutable");
  CHECK(refused("INSERT INTO adapter_version_labels VALUES (1, 2, 'x')") ==
        "database: labels of an adapter version are immutable");
  CHECK(refused("DELETE FROM tasks") == "database: FOREIGN KEY constraint failed");
  CHECK(refused("DELETE FROM jobs") == "database: FOREIGN KEY constraint failed");

  const AdapterVersion after = find_version_by_model(database, acme.id, before.model_id).value();
  CHECK(after.bundle_sha256 == before.bundle_sha256);
  CHECK(after.labels == before.labels);
  CHECK(after.metrics == before.metrics);
}

TEST_CASE("a hidden version leaves the models and stays with its task and number") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  a_queued_job(database, acme.id);
  a_queued_job(database, acme.id);
  const AdapterVersion first = publish_next(database);
  const AdapterVersion second = publish_next(database);
  CHECK(list_models(database, acme.id).items.at(0).model_id == second.model_id);
  CHECK(hide_version(database, acme.id, second.model_id, noon));
  CHECK_FALSE(hide_version(database, acme.id, second.model_id, noon));
  CHECK_FALSE(hide_version(database, acme.id, "ft:minilm:acme:s1:nobody", noon));

  const auto models = list_models(database, acme.id).items;
  REQUIRE(models.size() == 1);
  CHECK(models[0].model_id == first.model_id);
  const Task task = find_task(database, acme.id, "mood").value();
  CHECK(task.versions == 2);
  CHECK(task.latest == 1);
  CHECK(find_version(database, task, 2)->hidden);
  CHECK(find_version_by_model(database, acme.id, second.model_id)->hidden);
  CHECK(list_versions(database, task, {}).items.size() == 2);
  CHECK(is_blob_referenced(database, second.bundle_sha256, noon));
  a_queued_job(database, acme.id);
  CHECK(publish_next(database).number == 3);
}

TEST_CASE("an alias moves between versions and remembers where it was") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  a_queued_job(database, acme.id);
  a_queued_job(database, acme.id);
  publish_next(database);
  publish_next(database);
  const Task task = find_task(database, acme.id, "mood").value();
  CHECK_FALSE(find_alias(database, task, "live").has_value());
  CHECK_FALSE(set_alias(database, task, "live", 3, noon));
  CHECK(set_alias(database, task, "live", 1, noon));
  CHECK(set_alias(database, task, "next", 2, noon + 1));
  CHECK(set_alias(database, task, "live", 2, noon + 2));
  CHECK(set_alias(database, task, "live", 1, noon + 3));
  CHECK(find_alias(database, task, "live")->version == 1);
  CHECK(find_alias(database, task, "live")->changed_at == noon + 3);
  const auto aliases = list_aliases(database, task);
  REQUIRE(aliases.size() == 2);
  CHECK(aliases[0].name == "live");
  CHECK(aliases[0].version == 1);
  CHECK(aliases[1].name == "next");
  const auto history = alias_history(database, task, "live");
  REQUIRE(history.size() == 3);
  CHECK(history[0].version == 1);
  CHECK(history[1].version == 2);
  CHECK(history[2].changed_at == noon);
}

TEST_CASE("models come in pages, and a page goes on after a model that was hidden since") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  std::vector<std::string> newest_first;
  for (int i = 0; i < 5; ++i) {
    a_queued_job(database, acme.id);
    newest_first.insert(newest_first.begin(), publish_next(database).model_id);
  }
  const auto first = list_models(database, acme.id, {.limit = 2});
  REQUIRE(first.items.size() == 2);
  CHECK(first.has_more);
  CHECK(first.items[1].model_id == newest_first[1]);
  hide_version(database, acme.id, newest_first[1], noon);
  hide_version(database, acme.id, newest_first[2], noon);
  const auto rest = list_models(database, acme.id, {.after = newest_first[1], .limit = 2});
  REQUIRE(rest.items.size() == 2);
  CHECK_FALSE(rest.has_more);
  CHECK(rest.items[0].model_id == newest_first[3]);
  CHECK(list_models(database, acme.id, {.after = "ft:none"}).items.empty());
}

TEST_CASE("an alias that was moved many times tells its last changes, and a task its aliases") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  a_queued_job(database, acme.id);
  publish_next(database);
  a_queued_job(database, acme.id);
  publish_next(database);
  const Task task = find_task(database, acme.id, "mood").value();
  for (int i = 0; i <= 150; ++i) set_alias(database, task, "live", 1 + i % 2, noon + i);
  set_alias(database, task, "best", 2, noon);
  const auto history = alias_history(database, task, "live");
  REQUIRE(history.size() == most_alias_changes);
  CHECK(history[0].changed_at == noon + 150);
  const auto aliases = list_aliases(database, task);
  REQUIRE(aliases.size() == 2);
  CHECK(aliases[0].name == "best");
  CHECK(aliases[1].name == "live");
  CHECK(aliases[1].version == 1);
}
