// The life of a job, arrow by arrow, with workers that are a few lines in a file.
#include "scheduler/scheduler.h"

#include <doctest/doctest.h>

#include <csignal>
#include <fstream>
#include <limits>
#include <sstream>

#include "storage/statement.h"
#include "storage/tasks.h"
#include "tests/scheduler/service.h"

using namespace graft;

namespace {

std::string text_of(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

// A worker that has done all its work and ended.
void finish_run(Service& service, const std::string& bytes) {
  const auto run = service.launcher.last();
  FakeLauncher::write(run, FakeLauncher::make_bundle(run, bytes, backbone_hash));
  FakeLauncher::write(run, RunFinished{});
  service.launcher.exit(run, 0);
}

}  // namespace

TEST_CASE("a job is checked, queued, claimed and launched in one tick") {
  Service service;
  const std::string id = service.submit();
  CHECK(service.status(id) == JobStatus::validating_files);
  service.tick();
  CHECK(service.status(id) == JobStatus::running);
  REQUIRE(service.launcher.launched().size() == 1);

  const Order order = parse_order(text_of(service.launcher.last() / "order.json"));
  CHECK(order.backbone_name == "minilm");
  CHECK(order.backbone_sha256 == backbone_hash);
  CHECK(order.backbone_directory == (service.scratch / "minilm").string());
  CHECK(order.program_version == "test");
  CHECK(order.threads == 2);
  CHECK(order.precision == Precision::automatic);
  CHECK(order.cache_directory == (service.scratch / "cache").string());
  REQUIRE(order.lanes.size() == 1);
  const LaneOrder& lane = order.lanes[0];
  CHECK(lane.job_id == id);
  CHECK(lane.task_name == "mood");
  CHECK(lane.adapter_name == find_task(service.database, service.customer, "mood")->adapter_name);
  CHECK(lane.batch_size == 16);
  CHECK(lane.seed == 7);
  CHECK(lane.learning_rate == 0.001);
  CHECK(lane.training_file.name == "rows.jsonl");
  CHECK(text_of(lane.training_file.path) == "{\"text\": \"good\", \"label\": \"yes\"}\n");
  CHECK_FALSE(lane.validation_file);
}

TEST_CASE("an order names the layers that are left out, or the head alone") {
  Service service;
  Specification last_two;
  last_two.leave_out = {0, 1, 2, 3};
  service.submit("mood", last_two);
  Specification head;
  head.method = AdapterMethod::head;
  service.submit("kind", head);
  service.options.workers = 2;
  service.restart();
  service.tick();
  REQUIRE(service.launcher.launched().size() == 2);
  std::vector<LaneOrder> lanes;
  for (const auto& run : service.launcher.launched())
    lanes.push_back(parse_order(text_of(run / "order.json")).lanes.at(0));
  CHECK(lanes[0].method == AdapterMethod::houlsby);
  CHECK(lanes[0].leave_out == std::vector<int>{0, 1, 2, 3});
  CHECK(lanes[1].method == AdapterMethod::head);
  CHECK(lanes[1].leave_out.empty());
}

TEST_CASE("no more runs are active than there are workers, and the oldest job goes first") {
  Service service;
  service.options.workers = 2;
  service.restart();
  const std::string first = service.submit("a"), second = service.submit("b"),
                    third = service.submit("c");
  service.tick();
  service.tick();
  CHECK(service.status(first) == JobStatus::running);
  CHECK(service.status(second) == JobStatus::running);
  CHECK(service.status(third) == JobStatus::queued);
  CHECK(service.launcher.launched().size() == 2);

  finish_run(service, "adapter of b");
  service.tick();
  CHECK(service.status(second) == JobStatus::succeeded);
  CHECK(service.status(third) == JobStatus::running);
}

TEST_CASE("what a worker reports becomes events, progress, curve and checkpoints") {
  Service service;
  const std::string id = service.start_job();
  const auto run = service.launcher.last();
  FakeLauncher::write(run, Service::started());
  DataReady ready;
  ready.training_rows = 900;
  ready.validation_rows = 100;
  ready.truncated_rows = 7;
  ready.labels = {"no", "yes"};
  ready.total_steps = 100;
  FakeLauncher::write(run, ready);
  FakeLauncher::write(run, Service::progress(10), 1'000'010);
  auto again = Service::progress(10);  // a new guess of the time left
  again.eta_seconds = 28;
  FakeLauncher::write(run, again, 1'000'012);
  FakeLauncher::write(run, Service::epoch_ended(1, 33));
  FakeLauncher::write(run, Notice{0, "warn", "two rows are equal"});
  service.tick(1);

  CHECK(service.count_events(id, "Training worker started on cpu (Test CPU), 2 threads.") == 1);
  CHECK(service.count_events(id, "900 training rows, 100 validation rows, 2 labels") == 1);
  CHECK(service.count_events(id, "max_length") == 1);
  CHECK(service.count_events(id, "7 texts longer than max_length (128 tokens)") == 1);
  CHECK(service.count_events(id, "two rows are equal") == 1);
  const Job job = service.job(id);
  CHECK(job.progress.step == 10);
  CHECK(job.progress.total_steps == 100);
  CHECK(job.progress.tokens_per_second == 5000);
  CHECK(job.trained_tokens == 1000);
  CHECK(job.estimated_finish == 1'000'040);

  std::vector<Event> metrics;
  for (const Event& event : service.events(id)) {
    if (event.type == "metrics") metrics.push_back(event);
    if (event.message.starts_with("7 texts")) CHECK(event.level == EventLevel::warn);
  }
  REQUIRE(metrics.size() == 2);
  CHECK(metrics[0].data ==
        R"({"step":10,"total_steps":100,"epoch":1,"train_loss":0.1,"train_accuracy":0.5,)"
        R"("learning_rate":0.001,"tokens_per_second":5000.0,"eta_seconds":30.0})");
  CHECK(metrics[1].data ==
        R"({"step":33,"total_steps":100,"epoch":1,"train_loss":0.25,"train_accuracy":0.75,)"
        R"("learning_rate":0.001,"tokens_per_second":5000.0,"eta_seconds":28.0,)"
        R"("valid_loss":0.5,"valid_accuracy":0.875,"valid_macro_f1":0.8})");

  const auto checkpoints = list_checkpoints(service.database, id, {});
  REQUIRE(checkpoints.items.size() == 1);
  CHECK(checkpoints.items[0].step == 33);
  CHECK(parse_metrics_text(checkpoints.items[0].metrics).get("valid_macro_f1") == 0.8);
  const auto points = list_metric_points(service.database, id);
  REQUIRE(points.size() == 2);
  CHECK_FALSE(parse_metrics_text(points[0].metrics).get("valid_loss"));
  CHECK(parse_metrics_text(points[1].metrics).get("valid_accuracy") == 0.875);
}

TEST_CASE("the machine's utilization is told where the worker knows it") {
  Service service;
  const std::string id = service.start_job();
  Progress progress = Service::progress(10);
  progress.utilization = 0.5;
  FakeLauncher::write(service.launcher.last(), progress);
  service.tick();
  CHECK(service.events(id).back().data.find(R"("utilization":0.5)") != std::string::npos);
}

TEST_CASE("a worker that goes on from a checkpoint may repeat what is known already") {
  Service service;
  const std::string id = service.start_job();
  const auto run = service.launcher.last();
  FakeLauncher::write(run, Service::started());
  FakeLauncher::write(run, Service::progress(40));
  FakeLauncher::write(run, Service::epoch_ended(1, 33));
  service.tick();
  FakeLauncher::write(run, Service::started());
  FakeLauncher::write(run, Service::progress(20));
  FakeLauncher::write(run, Service::epoch_ended(1, 33));
  const LaneFinished finished = FakeLauncher::make_bundle(run, "adapter bytes", backbone_hash);
  FakeLauncher::write(run, finished);
  FakeLauncher::write(run, Service::started());
  FakeLauncher::write(run, finished);
  FakeLauncher::write(run, RunFinished{});
  service.tick();
  CHECK(service.status(id) == JobStatus::succeeded);
  CHECK(service.job(id).version == 1);
  CHECK(list_checkpoints(service.database, id, {}).items.size() == 1);
  CHECK(list_metric_points(service.database, id).size() == 3);
}

TEST_CASE("a finished lane becomes a version with its result file, and the run is cleared away") {
  Service service;
  const std::string id = service.start_job();
  const auto run = service.launcher.last();
  FakeLauncher::write(run, Service::progress(10));
  FakeLauncher::write(run, Service::epoch_ended(1, 33));
  FakeLauncher::write(run, FakeLauncher::make_bundle(run, "adapter bytes", backbone_hash));
  service.tick();
  const Job job = service.job(id);
  CHECK(job.status == JobStatus::succeeded);
  CHECK(job.version == 1);
  CHECK(job.trained_tokens == 1234);
  CHECK(job.progress.tokens_per_second == 4321);  // the mean that the worker told
  const auto version =
      find_version_by_model(service.database, service.customer, job.fine_tuned_model.value());
  REQUIRE(version);
  CHECK(version->labels == std::vector<std::string>{"no", "yes"});
  CHECK(parse_lane_metrics(version->metrics).numbers.get("valid_accuracy") == 0.9);
  CHECK(text_of(service.blobs.path(version->bundle_sha256)) == "adapter bytes");
  REQUIRE(job.result_files.size() == 1);
  const auto result =
      find_file(service.database, service.customer, job.result_files[0], service.now);
  CHECK(text_of(service.blobs.path(result->sha256)) ==
        "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n"
        "10,0.1,0.5,,\n33,0.25,0.75,0.5,0.875\n");

  // Still there for the case that the row were lost in a crash; it goes with the run.
  CHECK(text_of(run / "lane-0" / "result.zip") == "adapter bytes");

  // The worker is given time to end by itself; then the run is over.
  service.tick(1);
  CHECK_FALSE(service.launcher.worker(run).asked_to_stop);
  CHECK(list_active_runs(service.database).size() == 1);
  FakeLauncher::write(run, RunFinished{});
  service.launcher.exit(run, 0);
  service.tick();
  CHECK(list_active_runs(service.database).empty());
  CHECK_FALSE(std::filesystem::exists(run));
  CHECK(service.status(id) == JobStatus::succeeded);
}

TEST_CASE("a worker that has delivered and does not end is stopped") {
  Service service;
  service.start_job();
  const auto run = service.launcher.last();
  service.launcher.workers_obey = false;
  FakeLauncher::write(run, FakeLauncher::make_bundle(run, "adapter", backbone_hash));
  service.tick();
  service.tick(service.options.stop_grace_seconds - 1);
  CHECK_FALSE(service.launcher.worker(run).asked_to_stop);
  service.tick(1);
  CHECK(service.launcher.worker(run).asked_to_stop);
  service.tick(service.options.stop_grace_seconds);
  CHECK(service.launcher.worker(run).ended_at_once);
  service.tick();
  CHECK(list_active_runs(service.database).empty());
}

TEST_CASE("a lane that fails fails its job with the worker's words") {
  Service service;
  const std::string id = service.start_job();
  const auto run = service.launcher.last();
  FakeLauncher::write(
      run, LaneFailed{0, "invalid_training_file", "rows.jsonl, line 3: no label", "training_file"});
  FakeLauncher::write(run, Service::progress(10));
  FakeLauncher::write(run, RunFinished{});
  service.launcher.exit(run, 0);
  service.tick();
  const Job job = service.job(id);
  CHECK(job.status == JobStatus::failed);
  CHECK(job.error->code == "invalid_training_file");
  CHECK(job.error->message == "rows.jsonl, line 3: no label");
  CHECK(job.error->param == "training_file");
  CHECK(job.progress.step == 0);  // nothing after the end
  CHECK(list_active_runs(service.database).empty());
}

TEST_CASE("a run that fails fails its jobs") {
  Service service;
  const std::string id = service.start_job();
  const auto run = service.launcher.last();
  FakeLauncher::write(run, RunFailed{"invalid_training_file", "rows.jsonl is empty.", ""});
  service.launcher.exit(run, 1);
  service.tick();
  CHECK(service.status(id) == JobStatus::failed);
  CHECK(service.job(id).error->code == "invalid_training_file");
  CHECK(service.job(id).attempts == 1);
}

TEST_CASE("a run without memory is tried again and fails its jobs at last, in the worker's words") {
  Service service;
  const std::string id = service.start_job();
  for (int attempt = 1; attempt <= 3; ++attempt) {
    REQUIRE(service.launcher.launched().size() == static_cast<std::size_t>(attempt));
    const auto run = service.launcher.last();
    FakeLauncher::write(run, Service::started());
    FakeLauncher::write(run, RunFailed{"out_of_memory", "The machine has too little memory.", ""});
    service.launcher.exit(run, 1);
    service.tick();
    service.tick(30);
  }
  CHECK(service.status(id) == JobStatus::failed);
  CHECK(service.job(id).error->code == "out_of_memory");
  CHECK(service.job(id).attempts == 3);
}

TEST_CASE("an epoch that ends while its job is being paused is not lost") {
  Service service;
  const std::string id = service.start_job();
  const auto run = service.launcher.last();
  FakeLauncher::write(run, Service::started());
  service.tick();
  REQUIRE(pause_job(service.database, service.customer, id, service.now) == PauseOutcome::changed);
  FakeLauncher::write(run, Service::epoch_ended(1, 33));
  service.tick();
  CHECK(list_checkpoints(service.database, id, {}).items.size() == 1);
  REQUIRE(resume_job(service.database, service.customer, id, service.now) == PauseOutcome::changed);
  FakeLauncher::write(run, Service::epoch_ended(2, 66));
  service.tick();
  CHECK(list_checkpoints(service.database, id, {}).items.size() == 2);
}

TEST_CASE("what a worker threw is for the operator: the customer reads no path of this machine") {
  Service service;
  const std::string id = service.start_job();
  for (int attempt = 1; attempt <= 3; ++attempt) {
    const auto run = service.launcher.last();
    FakeLauncher::write(run, Service::started());
    FakeLauncher::write(run, RunFailed{"worker_error", "/srv/secret/states: bad address", ""});
    service.launcher.exit(run, 1);
    service.tick();
    service.tick(30);
  }
  const Job job = service.job(id);
  REQUIRE(job.status == JobStatus::failed);
  CHECK(job.error->code == "worker_error");
  CHECK(job.error->message.find("/srv") == std::string::npos);
  CHECK(job.error->message.find("run_") != std::string::npos);
  for (const Event& event : service.events(id))
    CHECK(event.message.find("/srv") == std::string::npos);
}

TEST_CASE("a job whose worker is killed is queued again and succeeds") {
  Service service;
  const std::string id = service.start_job();
  FakeLauncher::write(service.launcher.last(), Service::started());
  FakeLauncher::write(service.launcher.last(), Service::progress(10));
  std::ofstream(service.launcher.last() / "worker.log") << "all is well\n";
  service.launcher.kill(service.launcher.last(), SIGKILL);
  service.tick();
  CHECK(service.count_events(
            id, "the worker was killed by signal 9 (SIGKILL); attempt 2 of 3 follows") == 1);
  CHECK(service.status(id) == JobStatus::queued);
  service.tick(2);
  REQUIRE(service.launcher.launched().size() == 2);
  finish_run(service, "adapter");
  service.tick();
  CHECK(service.status(id) == JobStatus::succeeded);
  CHECK(service.job(id).attempts == 2);
}

TEST_CASE("a job that kills every worker fails after its last attempt, without the log's words") {
  Service service;
  const std::string id = service.start_job();
  for (int attempt = 1; attempt <= 3; ++attempt) {
    REQUIRE(service.launcher.launched().size() == static_cast<std::size_t>(attempt));
    const auto run = service.launcher.last();
    FakeLauncher::write(run, Service::started());
    std::ofstream(run / "worker.log") << "loading\nstd::bad_alloc\n";
    service.launcher.exit(run, 134);
    service.tick();
    service.tick(30);
  }
  const Job job = service.job(id);
  CHECK(job.status == JobStatus::failed);
  CHECK(job.error->code == "worker_died");
  CHECK(job.error->message.find("3 attempts") != std::string::npos);
  CHECK(job.error->message.find("exit code 134") != std::string::npos);
  CHECK(job.error->message.find("std::bad_alloc") == std::string::npos);  // the operator's
  CHECK(service.launcher.launched().size() == 3);
}

TEST_CASE("workers stopped from outside do not use up a job's attempts at once") {
  Service service;
  const std::string id = service.start_job();
  for (int i = 0; i < 4; ++i) {
    const auto run = service.launcher.last();
    FakeLauncher::write(run, Service::started());
    FakeLauncher::write(run, RunFinished{true});
    service.launcher.exit(run, 0);
    service.tick();
    service.tick(2);  // from the fourth on it comes back at a slower pace
  }
  CHECK(service.status(id) == JobStatus::running);
  CHECK(service.launcher.launched().size() == 5);
  CHECK(service.count_events(id, "the worker was asked to stop from outside") == 1);
}

TEST_CASE("a cancelled job's worker is asked to stop, and ended after the grace") {
  Service service;
  service.launcher.workers_obey = false;
  const std::string id = service.start_job();
  const auto run = service.launcher.last();
  CHECK(cancel_job(service.database, service.customer, id, service.now) ==
        CancelOutcome::cancelled);
  service.tick();
  CHECK(std::filesystem::exists(run / "cancel"));
  CHECK(service.launcher.worker(run).asked_to_stop);
  CHECK_FALSE(service.launcher.worker(run).ended_at_once);
  service.tick(service.options.stop_grace_seconds);
  CHECK(service.launcher.worker(run).ended_at_once);
  service.tick();
  CHECK(list_active_runs(service.database).empty());
  CHECK(service.status(id) == JobStatus::cancelled);
  CHECK(service.launcher.launched().size() == 1);
}

TEST_CASE("a result that comes after the cancellation is not published") {
  Service service;
  const std::string id = service.start_job();
  const auto run = service.launcher.last();
  const LaneFinished finished = FakeLauncher::make_bundle(run, "too late", backbone_hash);
  FakeLauncher::write(run, finished);
  cancel_job(service.database, service.customer, id, service.now);
  service.tick();
  CHECK(service.status(id) == JobStatus::cancelled);
  CHECK_FALSE(service.blobs.exists(finished.bundle_sha256));
}

TEST_CASE("a bundle whose bytes are not those announced is not published, and the job runs again") {
  Service service;
  const std::string id = service.start_job();
  const auto run = service.launcher.last();
  LaneFinished finished = FakeLauncher::make_bundle(run, "adapter", backbone_hash);
  std::ofstream(run / finished.bundle) << "bitrot";
  FakeLauncher::write(run, Service::started());
  FakeLauncher::write(run, finished);
  service.tick();
  CHECK(service.status(id) == JobStatus::running);
  CHECK(service.count_events(id, "damaged") == 1);
  service.launcher.exit(run, 0);
  service.tick();
  service.tick(2);
  CHECK(service.launcher.launched().size() == 2);
  finish_run(service, "adapter");
  service.tick();
  CHECK(service.status(id) == JobStatus::succeeded);
}

TEST_CASE("a bundle outside the run directory is not published") {
  Service service;
  const std::string id = service.start_job();
  const auto run = service.launcher.last();
  std::ofstream(service.scratch / "secret") << "adapter";
  LaneFinished finished = FakeLauncher::make_bundle(run, "adapter", backbone_hash);
  finished.bundle = "../../secret";
  std::filesystem::remove_all(run / "lane-0");
  FakeLauncher::write(run, finished);
  service.tick();
  CHECK(service.status(id) == JobStatus::running);
  CHECK(std::filesystem::exists(service.scratch / "secret"));
}

TEST_CASE("an adapter of another backbone than the job's is refused") {
  Service service;
  const std::string id = service.start_job();
  const auto run = service.launcher.last();
  FakeLauncher::write(run, FakeLauncher::make_bundle(run, "adapter", std::string(64, 'c')));
  service.tick();
  CHECK(service.status(id) == JobStatus::failed);
  CHECK(service.job(id).error->code == "backbone_mismatch");
}

TEST_CASE("a job whose file is damaged fails before it is queued, naming the file") {
  Service service;
  const std::string id = service.submit();
  const File file =
      find_file(service.database, service.customer, service.job(id).training_file, service.now)
          .value();
  const auto path = service.blobs.path(file.sha256);
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  SUBCASE("missing") {
    std::filesystem::remove(path);
  }
  SUBCASE("cut short") {
    std::filesystem::resize_file(path, 5);
  }
  SUBCASE("changed") {
    std::ofstream(path) << std::string(static_cast<std::size_t>(file.bytes), '!');
  }
  service.tick();
  CHECK(service.status(id) == JobStatus::failed);
  CHECK(service.job(id).error->code == "invalid_training_file");
  CHECK(service.job(id).error->param == "training_file");
  CHECK(service.job(id).error->message.find(file.id) != std::string::npos);
  CHECK(service.launcher.launched().empty());
}

TEST_CASE("new jobs that cannot be checked now keep nobody behind them from it") {
  Service service;
  std::vector<std::string> stuck;
  for (int i = 0; i < 20; ++i) {
    stuck.push_back(service.submit());
    // Its checking ends in an error each time.
    execute(service.database.handle(),
            "CREATE TRIGGER stuck_" + std::to_string(i) +
                " BEFORE UPDATE OF status ON jobs WHEN NEW.public_id = '" + stuck.back() +
                "' BEGIN SELECT RAISE(ABORT, 'not now'); END");
    ++service.now;
  }
  const std::string behind = service.submit();
  for (int i = 0; i < 3; ++i) service.tick();
  CHECK(service.status(behind) != JobStatus::validating_files);
  CHECK(service.status(stuck[0]) == JobStatus::validating_files);
  for (int i = 0; i < 20; ++i)
    execute(service.database.handle(), "DROP TRIGGER stuck_" + std::to_string(i));
  for (int i = 0; i < 4; ++i) service.tick();
  for (const std::string& id : stuck) CHECK(service.status(id) != JobStatus::validating_files);
}

TEST_CASE("a file deleted after the job was created still trains it") {
  Service service;
  const std::string id = service.submit();
  delete_file(service.database, service.customer, service.job(id).training_file, service.now);
  service.tick();
  CHECK(service.status(id) == JobStatus::running);
}

TEST_CASE("a job whose backbone was replaced fails clearly, and the next one runs") {
  Service service;
  const std::string lost = service.submit("lost");
  service.backbones["minilm"].sha256 = std::string(64, 'd');
  service.tick();
  CHECK(service.status(lost) == JobStatus::failed);
  CHECK(service.job(lost).error->code == "backbone_mismatch");
  CHECK(service.job(lost).error->message.find("minilm") != std::string::npos);
  CHECK(list_active_runs(service.database).empty());

  service.backbones["minilm"] = {service.scratch / "minilm", backbone_hash};
  const std::string next = service.start_job("next");
  CHECK(service.status(next) == JobStatus::running);
}

TEST_CASE("lines that are no records and lanes that are not there do no harm") {
  Service service;
  const std::string id = service.start_job();
  const auto run = service.launcher.last();
  FakeLauncher::write_text(run, "Segmentation fault\n{\"half\": \n");
  Progress stray = Service::progress(5);
  stray.lane = 9;
  FakeLauncher::write(run, stray);
  FakeLauncher::write(run, LaneFailed{-1, "x", "y", ""});
  FakeLauncher::write(run, Service::progress(20));
  service.tick();
  CHECK(service.job(id).progress.step == 20);
  CHECK(service.status(id) == JobStatus::running);
}

TEST_CASE("without validation rows there are epochs, checkpoints and no word of a nan") {
  Service service;
  const std::string id = service.start_job();
  EpochEnded epoch;
  epoch.epoch = 1;
  epoch.step = 6;
  epoch.metrics = {{"train_loss", 0.5}, {"train_accuracy", 0.75}};
  epoch.best = true;
  FakeLauncher::write(service.launcher.last(), epoch);
  service.tick();
  const auto checkpoints = list_checkpoints(service.database, id, {});
  REQUIRE(checkpoints.items.size() == 1);
  CHECK(checkpoints.items[0].metrics == R"({"train_loss":0.5,"train_accuracy":0.75})");
  CHECK(service.count_events(id, "Epoch 1 ended: training loss=0.5000, no validation") == 1);
  CHECK(service.count_events(id, "nan") == 0);
}

TEST_CASE("numbers that are not finite reach no row") {
  Service service;
  const std::string id = service.start_job();
  const auto run = service.launcher.last();
  Progress wild = Service::progress(5);
  wild.train_loss = std::numeric_limits<double>::quiet_NaN();
  wild.eta_seconds = std::numeric_limits<double>::infinity();
  wild.tokens_per_second = std::numeric_limits<double>::quiet_NaN();
  FakeLauncher::write(run, wild);
  EpochEnded epoch = Service::epoch_ended(1, 6);
  epoch.metrics.set("train_loss", std::numeric_limits<double>::quiet_NaN());
  FakeLauncher::write(run, epoch);
  FakeLauncher::write(run, LaneFailed{0, "diverged", "The loss is not a number any more.", ""});
  service.tick();
  CHECK(service.status(id) == JobStatus::failed);
  CHECK(service.job(id).error->code == "diverged");
  CHECK(list_metric_points(service.database, id).empty());
}
