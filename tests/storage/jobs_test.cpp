// Jobs from creation to their final states; see docs/job_lifecycle.md.
#include "storage/jobs.h"

#include <doctest/doctest.h>

#include <set>

#include "storage/events.h"
#include "tests/storage/scratch.h"

using namespace graft;

namespace {

std::vector<std::string> messages(Database& database, const std::string& job_id) {
  std::vector<std::string> found;
  for (const Event& event : list_events(database, job_id, {.limit = 100}).items) {
    found.insert(found.begin(), event.message);
  }
  return found;
}

}  // namespace

TEST_CASE("creating a job writes the job, its task, its trials, its metadata and its first event") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  const File training = a_file(database, acme.id, "training");
  const File validation = a_file(database, acme.id, "validation");
  NewJob wanted = a_new_job(acme.id, training);
  wanted.validation_file = validation.id;
  wanted.metadata = {{"team", "a"}, {"stage", "test"}};
  wanted.learning_rate_multiplier = 2.5;
  wanted.trials = {a_trial(1), a_trial(2)};

  const Job job = create_job(database, wanted, noon);

  CHECK(job.id.substr(0, 6) == "ftjob-");
  CHECK(job.id.size() == 30);
  CHECK(job.status == JobStatus::validating_files);
  CHECK(job.customer == acme.id);
  CHECK(job.customer_name == "acme");
  CHECK(job.task_name == "mood");
  CHECK(job.created_at == noon);
  CHECK_FALSE(job.started_at.has_value());
  CHECK_FALSE(job.finished_at.has_value());
  CHECK(job.model == "minilm");
  CHECK(job.backbone_sha256 == sha256_of_bytes("backbone"));
  CHECK(job.training_file == training.id);
  CHECK(job.validation_file == validation.id);
  CHECK(job.suffix == "s1");
  CHECK(job.seed == 7);
  CHECK(job.learning_rate_multiplier == 2.5);
  CHECK(job.metadata == wanted.metadata);
  CHECK(job.result_files.empty());
  CHECK_FALSE(job.error.has_value());
  CHECK(job.attempts == 0);
  CHECK(messages(database, job.id) ==
        std::vector<std::string>{"Created fine-tuning job: " + job.id});

  const auto trials = list_trials(database, job.id);
  REQUIRE(trials.size() == 2);
  CHECK(trials[0].number == 0);
  CHECK(trials[1].number == 1);
  CHECK(trials[1].job_id == job.id);
  CHECK(trials[1].specification == a_trial(2));

  const auto task = find_task(database, acme.id, "mood");
  REQUIRE(task.has_value());
  CHECK(task->id == job.task_id);
  CHECK(task->adapter_name.size() == 18);
  CHECK(task->adapter_name.substr(0, 2) == "t_");
}

TEST_CASE("twins ask for the same by equal texts, or by what their maker says") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  NewJob wanted = a_new_job(acme.id, a_file(database, acme.id));
  const Job job = create_job(database, wanted, noon);
  CHECK(is_twin(database, job, wanted));
  wanted.trials[0] = a_trial(8);
  CHECK_FALSE(is_twin(database, job, wanted));
  wanted.same_specification = [](std::string_view stored, std::string_view asked) {
    return stored == a_trial(7) && asked == a_trial(8);
  };
  CHECK(is_twin(database, job, wanted));
}

TEST_CASE("a job without a task name makes a task named after its id") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  const Job job = create_job(database, a_new_job(acme.id, a_file(database, acme.id), ""), noon);
  CHECK(job.task_name == "task-" + job.id.substr(job.id.size() - 8));
}

TEST_CASE("a second job of a known task name joins the task") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  const Job first = a_queued_job(database, acme.id);
  const Job second = a_queued_job(database, acme.id);
  CHECK(first.task_id == second.task_id);
  // Listed once there is something to use.
  CHECK(list_tasks(database, acme.id, {}).items.empty());
  publish_next(database);
  CHECK(list_tasks(database, acme.id, {}).items.size() == 1);
}

TEST_CASE("a job over a file of nobody or of another customer is refused and leaves nothing") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  const Customer other = ensure_customer(database, "other", noon);
  const File foreign = a_file(database, other.id);
  CHECK_THROWS_AS(create_job(database, a_new_job(acme.id, foreign), noon), StorageError);
  CHECK(list_jobs(database, acme.id, {}).items.empty());
  CHECK(list_tasks(database, acme.id, {}).items.empty());
}

TEST_CASE("a job without a trial is refused: no run could ever end it") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  NewJob wanted = a_new_job(acme.id, a_file(database, acme.id));
  wanted.trials.clear();
  CHECK_THROWS_WITH_AS(create_job(database, wanted, noon), "a job needs a trial", StorageError);
}

TEST_CASE("claiming a job bumps its attempt, makes a run with its trials as lanes and hides it") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  NewJob wanted = a_new_job(acme.id, a_file(database, acme.id));
  wanted.trials = {a_trial(1), a_trial(2)};
  const Job job = create_job(database, wanted, noon);
  CHECK_FALSE(claim_next_job(database, noon).has_value());
  REQUIRE(enqueue_job(database, job.id, noon));
  CHECK_FALSE(enqueue_job(database, job.id, noon));

  const auto run = claim_next_job(database, noon + 5);
  REQUIRE(run.has_value());
  CHECK(run->id.substr(0, 4) == "run_");
  CHECK(run->status == RunStatus::launching);
  CHECK(run->launched_at == noon + 5);
  const auto lanes = list_lanes(database, run->id);
  REQUIRE(lanes.size() == 2);
  CHECK(lanes[1].lane == 1);
  CHECK(lanes[1].trial.specification == a_trial(2));
  CHECK(lanes[1].job.id == job.id);
  CHECK(lanes[1].job.status == JobStatus::running);
  CHECK(lanes[1].job.attempts == 1);
  CHECK(lanes[1].job.started_at == noon + 5);
  CHECK_FALSE(claim_next_job(database, noon + 6).has_value());
}

TEST_CASE("the queue is first come, first served, and a job that comes back keeps its place") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  const Job first = a_queued_job(database, acme.id, "a", noon);
  const Job second = a_queued_job(database, acme.id, "b", noon);
  const Job third = a_queued_job(database, acme.id, "c", noon + 1);
  const auto claimed = [&] {
    return list_lanes(database, claim_next_job(database, noon + 9).value().id).at(0).job.id;
  };
  CHECK(claimed() == first.id);
  CHECK(claimed() == second.id);
  const std::string trial = list_trials(database, first.id).at(0).id;
  const TrialReturn why{.reason = "its worker was killed by signal 9"};
  REQUIRE(requeue_trial(database, trial, why, noon + 10));
  CHECK_FALSE(requeue_trial(database, trial, why, noon + 10));
  CHECK(claimed() == third.id);  // the first one's run has not ended yet
  end_run(database, list_active_runs(database).at(0).id, "killed", noon + 10);
  CHECK(claimed() == first.id);

  const Job back = find_job(database, acme.id, first.id).value();
  CHECK(back.attempts == 2);
  const auto events = list_events(database, first.id, {.limit = 100}).items;
  CHECK(events[0].message == "Fine-tuning job started again (attempt 2)");
  CHECK(events[1].level == EventLevel::warn);
  CHECK(events[1].message == "The job is back in the queue: its worker was killed by signal 9");
}

TEST_CASE("progress is kept while a job runs and changes nothing afterwards") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  const Job job = a_queued_job(database, acme.id);
  const Run run = claim_next_job(database, noon).value();
  {
    Transaction transaction(database);
    update_progress(database, list_trials(database, job.id).at(0).id, {10, 100, 1850.5}, 4321,
                    noon + 60);
    set_records_offset(database, run.id, 512);
    transaction.commit();
  }
  const Job running = find_job(database, acme.id, job.id).value();
  CHECK(running.progress.step == 10);
  CHECK(running.progress.total_steps == 100);
  CHECK(running.progress.tokens_per_second == 1850.5);
  CHECK(running.trained_tokens == 4321);
  CHECK(running.estimated_finish == noon + 60);
  CHECK(list_active_runs(database).at(0).records_offset == 512);

  CHECK(cancel_job(database, acme.id, job.id, noon + 1) == CancelOutcome::cancelled);
  {
    Transaction transaction(database);
    update_progress(database, list_trials(database, job.id).at(0).id, {20, 100, 1}, 9999,
                    noon + 90);
    transaction.commit();
  }
  const Job cancelled = find_job(database, acme.id, job.id).value();
  CHECK(cancelled.status == JobStatus::cancelled);
  CHECK(cancelled.trained_tokens == 4321);
  CHECK_FALSE(cancelled.estimated_finish.has_value());
}

TEST_CASE("a record's rows and its offset are written together or not at all") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  const Job job = a_queued_job(database, acme.id);
  const Run run = claim_next_job(database, noon).value();
  {
    Transaction transaction(database);
    insert_event(database, {.job_id = job.id, .message = "half"}, noon);
    set_records_offset(database, run.id, 99);
  }
  CHECK(messages(database, job.id).back() != "half");
  CHECK(list_active_runs(database).at(0).records_offset == 0);
}

TEST_CASE("a final job stays final, and what it has stays there") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  const auto check_frozen = [&](const std::string& id, JobStatus status) {
    CHECK(cancel_job(database, acme.id, id, noon + 9) == CancelOutcome::already_final);
    CHECK_FALSE(fail_job(database, id, {"late", "too late", ""}, noon + 9));
    CHECK_FALSE(
        requeue_trial(database, list_trials(database, id).at(0).id, {.reason = "late"}, noon + 9));
    CHECK_FALSE(enqueue_job(database, id, noon + 9));
    const Job job = find_job(database, acme.id, id).value();
    CHECK(job.status == status);
    CHECK(job.finished_at.value() < noon + 9);
    // Not even a statement that forgets its guard gets by.
    Statement careless(
        database, "UPDATE jobs SET status = 'queued', finished_at = NULL WHERE public_id = ?", id);
    CHECK_THROWS_WITH_AS(
        careless.run(),
        "database: a job that has succeeded, failed or been cancelled keeps its status",
        StorageError);
  };
  SUBCASE("cancelled while queued") {
    const Job job = a_queued_job(database, acme.id);
    CHECK(cancel_job(database, acme.id, job.id, noon + 1) == CancelOutcome::cancelled);
    CHECK(messages(database, job.id).back() == "Fine-tuning job cancelled at your request");
    check_frozen(job.id, JobStatus::cancelled);
    CHECK(list_trials(database, job.id).size() == 1);
    CHECK_FALSE(claim_next_job(database, noon + 2).has_value());
  }
  SUBCASE("failed while validating") {
    const Job job = create_job(database, a_new_job(acme.id, a_file(database, acme.id)), noon);
    CHECK(fail_job(database, job.id,
                   {"invalid_training_file", "train.jsonl, line 3: no label", "training_file"},
                   noon + 1));
    const Job failed = find_job(database, acme.id, job.id).value();
    REQUIRE(failed.error.has_value());
    CHECK(failed.error->code == "invalid_training_file");
    CHECK(failed.error->message == "train.jsonl, line 3: no label");
    CHECK(failed.error->param == "training_file");
    CHECK(list_events(database, job.id, {}).items[0].level == EventLevel::error);
    check_frozen(job.id, JobStatus::failed);
  }
  SUBCASE("succeeded") {
    const Job job = a_queued_job(database, acme.id);
    publish_next(database);
    check_frozen(job.id, JobStatus::succeeded);
  }
}

TEST_CASE("a repeated create with the same idempotency key answers the job made the first time") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  const Customer other = ensure_customer(database, "other", noon);
  NewJob wanted = a_new_job(acme.id, a_file(database, acme.id));
  wanted.idempotency_key = "retry-1";
  const Job first = create_job(database, wanted, noon);
  CHECK(create_job(database, wanted, noon + 100).id == first.id);
  CHECK(list_jobs(database, acme.id, {}).items.size() == 1);
  CHECK(messages(database, first.id).size() == 1);

  NewJob foreign = a_new_job(other.id, a_file(database, other.id));
  foreign.idempotency_key = "retry-1";
  CHECK(create_job(database, foreign, noon).id != first.id);
  wanted.idempotency_key = "retry-2";
  CHECK(create_job(database, wanted, noon).id != first.id);
  wanted.idempotency_key = "retry-1";
  CHECK(create_job(database, wanted, noon + 24 * 60 * 60).id != first.id);
  wanted.idempotency_key = "";
  CHECK(create_job(database, wanted, noon).id != create_job(database, wanted, noon).id);
}

TEST_CASE("a twin is a recent job of the same customer that is equal in all that was asked for") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  const Customer other = ensure_customer(database, "other", noon);
  const File file = a_file(database, acme.id);
  const NewJob wanted = a_new_job(acme.id, file);
  CHECK_FALSE(find_recent_twin(database, wanted, noon - 60).has_value());
  const Job made = create_job(database, wanted, noon);
  REQUIRE(find_recent_twin(database, wanted, noon - 60).has_value());
  CHECK(find_recent_twin(database, wanted, noon)->id == made.id);
  CHECK_FALSE(find_recent_twin(database, wanted, noon + 1).has_value());

  const auto differs = [&](auto&& change) {
    NewJob changed = wanted;
    change(changed);
    return !find_recent_twin(database, changed, noon - 60).has_value();
  };
  CHECK(differs([](NewJob& job) { job.model = "bert"; }));
  CHECK(differs([](NewJob& job) { job.seed = 8; }));
  CHECK(differs([](NewJob& job) { job.suffix = std::nullopt; }));
  CHECK(differs([](NewJob& job) { job.task_name = "else"; }));
  CHECK(differs([](NewJob& job) { job.task_name = ""; }));
  CHECK(differs([&](NewJob& job) { job.training_file = a_file(database, acme.id).id; }));
  CHECK(differs([&](NewJob& job) { job.validation_file = file.id; }));
  CHECK(differs([](NewJob& job) { job.trials[0] = "{}"; }));
  CHECK(differs([](NewJob& job) { job.trials.push_back(a_trial(9)); }));
  CHECK(differs([](NewJob& job) { job.metadata = {{"team", "a"}}; }));
  CHECK(differs([&](NewJob& job) { job.customer = other.id; }));

  NewJob nameless = wanted;
  nameless.task_name = "";
  const Job second = create_job(database, nameless, noon);
  CHECK(find_recent_twin(database, nameless, noon - 60)->id == second.id);
}

TEST_CASE("pages of jobs are newest first and stay true while jobs arrive") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  std::vector<std::string> made;
  for (int i = 0; i < 7; ++i) {
    made.insert(made.begin(), a_queued_job(database, acme.id).id);
  }
  std::vector<std::string> seen;
  JobQuery query{.limit = 3};
  for (bool more = true; more;) {
    const auto page = list_jobs(database, acme.id, query);
    for (const Job& job : page.items) {
      seen.push_back(job.id);
    }
    more = page.has_more;
    query.after = seen.back();
    a_queued_job(database, acme.id);
  }
  CHECK(seen == made);
  query.after = "ftjob-nobody";
  CHECK(list_jobs(database, acme.id, query).items.empty());
  query.after = made.back();
  CHECK(list_jobs(database, acme.id, query).items.empty());
  CHECK_FALSE(list_jobs(database, acme.id, query).has_more);
}

TEST_CASE("jobs are filtered by metadata, by its absence and by task, page by page") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  const File file = a_file(database, acme.id);
  const auto make = [&](const std::map<std::string, std::string>& metadata,
                        const std::string& task) {
    NewJob job = a_new_job(acme.id, file, task);
    job.metadata = metadata;
    return create_job(database, job, noon);
  };
  const Job a1 = make({{"team", "a"}, {"stage", "1"}}, "x");
  const Job b1 = make({{"team", "b"}, {"stage", "1"}}, "x");
  const Job a2 = make({{"team", "a"}, {"stage", "2"}}, "y");
  const Job none = make({}, "x");
  const auto ids = [&](const JobQuery& query) {
    std::vector<std::string> found;
    for (const Job& job : list_jobs(database, acme.id, query).items) {
      found.push_back(job.id);
    }
    return found;
  };
  using Ids = std::vector<std::string>;
  CHECK(ids({.metadata = {{"team", "a"}}}) == Ids{a2.id, a1.id});
  CHECK(ids({.after = a2.id, .metadata = {{"team", "a"}}}) == Ids{a1.id});
  CHECK(ids({.metadata = {{"team", "a"}, {"stage", "1"}}}) == Ids{a1.id});
  CHECK(ids({.metadata = {{"team", "1"}}}).empty());
  CHECK(ids({.without_metadata = true}) == Ids{none.id});
  CHECK(ids({.metadata = {{"team", "a"}}, .without_metadata = true}).empty());
  CHECK(ids({.task_id = a1.task_id}) == Ids{none.id, b1.id, a1.id});
  CHECK(ids({.metadata = {{"team", "a"}}, .task_id = a1.task_id}) == Ids{a1.id});
}

TEST_CASE("checkpoints are newest first and a repeated step replaces its numbers") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  const Job job = a_queued_job(database, acme.id);
  const std::string trial = list_trials(database, job.id).at(0).id;
  const auto add = [&](std::int64_t step, double loss) {
    insert_checkpoint(database, {.trial_id = trial,
                                 .created_at = noon + step,
                                 .step = step,
                                 .epoch = static_cast<int>(step / 10),
                                 .metrics = "[" + std::to_string(loss) + "]"});
  };
  add(10, 0.9);
  add(20, 0.8);
  add(30, 0.7);
  add(10, 0.6);
  const auto page = list_checkpoints(database, job.id, {.limit = 2});
  REQUIRE(page.items.size() == 2);
  CHECK(page.has_more);
  CHECK(page.items[0].step == 30);
  CHECK(page.items[0].job_id == job.id);
  CHECK(page.items[0].trial_id == trial);
  CHECK(page.items[0].id.substr(0, 7) == "ftckpt_");
  const auto rest = list_checkpoints(database, job.id, {.after = page.items[1].id, .limit = 2});
  REQUIRE(rest.items.size() == 1);
  CHECK_FALSE(rest.has_more);
  CHECK(rest.items[0].metrics == "[" + std::to_string(0.6) + "]");
  CHECK_THROWS_AS(insert_checkpoint(database, {.trial_id = "trial_nobody"}), StorageError);
}

TEST_CASE("metric points come by step, and validation joins the progress of its step") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  const Job job = a_queued_job(database, acme.id);
  const std::string trial = list_trials(database, job.id).at(0).id;
  insert_metric_point(database, trial, {20, R"({"train_loss":0.5})"});
  insert_metric_point(database, trial, {10, R"({"train_loss":0.9})"});
  insert_metric_point(database, trial, {20, R"({"train_loss":0.4,"valid_loss":0.45})"});
  insert_metric_point(database, trial, {20, R"({"train_loss":0.3})"});
  const auto points = list_metric_points(database, job.id);
  REQUIRE(points.size() == 2);
  CHECK(points[0].step == 10);
  CHECK(points[0].metrics == R"({"train_loss":0.9})");
  CHECK(points[1].metrics == R"({"train_loss":0.3,"valid_loss":0.45})");
  CHECK_THROWS_AS(insert_metric_point(database, "trial_nobody", {}), StorageError);
}

TEST_CASE("a run goes from launching over running to ended, and only active ones are listed") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  a_queued_job(database, acme.id, "a");
  a_queued_job(database, acme.id, "b");
  const Run first = claim_next_job(database, noon).value();
  const Run second = claim_next_job(database, noon + 1).value();
  mark_run_running(database, second.id);
  auto active = list_active_runs(database);
  REQUIRE(active.size() == 2);
  CHECK(active[0].id == first.id);
  CHECK(active[0].status == RunStatus::launching);
  CHECK(active[1].status == RunStatus::running);
  end_run(database, first.id, "killed by signal 9", noon + 2);
  mark_run_running(database, first.id);
  active = list_active_runs(database);
  REQUIRE(active.size() == 1);
  CHECK(active[0].id == second.id);
}
