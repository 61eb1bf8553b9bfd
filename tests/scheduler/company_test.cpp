// Runs whose lanes are trials of several jobs: what becomes of one is that one's alone.
#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "scheduler/order_builder.h"
#include "storage/statement.h"
#include "tests/scheduler/checkpoint_bytes.h"
#include "tests/scheduler/service.h"

using namespace graft;

namespace {

struct Company {
  Service service;
  CustomerId rival = ensure_customer(service.database, "rival", service.now).id;
  std::string mine, theirs;

  explicit Company(int jobs_per_run = 2) {
    service.options.jobs_per_run = jobs_per_run;
    service.restart();
    mine = service.submit("mood");
    theirs = submit_as_rival();
  }
  // The same backbone, but other rows, a validation file and other settings.
  std::string submit_as_rival() {
    const auto file = [&](const std::string& text) {
      return insert_file(service.database,
                         {rival, service.blobs.put(text), "other.csv", "fine-tune", {}},
                         service.now)
          .id;
    };
    Specification trial;
    trial.size = 24;
    trial.seed = 99;
    trial.n_epochs = 5;
    NewJob job{.customer = rival,
               .task_name = "topics",
               .model = "minilm",
               .backbone_sha256 = backbone_hash,
               .training_file = file("text,label\ngoal,sport\n"),
               .validation_file = file("text,label\ntax,money\n"),
               .trials = {write_specification(trial)}};
    return create_job(service.database, job, service.now).id;
  }
  Job job(const std::string& id) { return find_job_of_any_customer(service.database, id).value(); }
  JobStatus status(const std::string& id) { return job(id).status; }
  void wait_in_queue() {
    for (const std::string& id : {mine, theirs})
      REQUIRE(enqueue_job(service.database, id, service.now));
  }
  std::filesystem::path begin() {
    service.tick();
    FakeLauncher::write(service.launcher.last(), Service::started());
    service.tick();
    return service.launcher.last();
  }
  Order order() { return parse_order(bytes_of(service.launcher.last() / "order.json")); }
  void finish(const std::filesystem::path& run, int lane) {
    LaneFinished finished =
        FakeLauncher::make_bundle(run, "adapter " + std::to_string(lane), backbone_hash);
    const std::string own = "lane-" + std::to_string(lane) + "/result.zip";
    if (lane != 0) {
      std::filesystem::create_directories((run / own).parent_path());
      std::filesystem::rename(run / finished.bundle, run / own);
    }
    finished.lane = lane;
    finished.bundle = own;
    FakeLauncher::write(run, finished);
  }
  static Progress progress(int lane, std::int64_t step) {
    Progress record = Service::progress(step);
    record.lane = lane;
    return record;
  }
};

constexpr LanePosition at(int lane, std::int64_t step) {
  return {.lane = lane, .step = step, .total_steps = 100};
}

}  // namespace

TEST_CASE("jobs share no run unless they are told to") {
  Company company(1);
  company.service.tick();
  CHECK(company.service.launcher.launched().size() == 1);
  CHECK(company.order().lanes.size() == 1);
  CHECK(company.status(company.theirs) == JobStatus::queued);
}

TEST_CASE("jobs on one backbone share a run, each lane with its own files, settings and records") {
  Company company;
  const auto run = company.begin();
  const Order order = company.order();
  REQUIRE(order.lanes.size() == 2);
  CHECK(order.lanes[0].job_id == company.mine);
  CHECK(order.lanes[1].job_id == company.theirs);
  CHECK(order.lanes[1].seed == 99);
  CHECK(order.lanes[1].size == 24);
  CHECK(order.lanes[1].task_name == "topics");
  CHECK(order.lanes[1].training_file.name == "other.csv");
  CHECK(order.lanes[1].validation_file);
  CHECK_FALSE(order.lanes[0].validation_file);
  CHECK(order.lanes[0].training_file.sha256 != order.lanes[1].training_file.sha256);

  FakeLauncher::write(run, Company::progress(0, 10));
  FakeLauncher::write(run, Company::progress(1, 20));
  company.service.tick(1);
  CHECK(company.job(company.mine).progress.step == 10);
  CHECK(company.job(company.theirs).progress.step == 20);
  CHECK(company.service.count_events(company.mine, "Step 10/") == 1);
  CHECK(company.service.count_events(company.mine, "Step 20/") == 0);

  company.finish(run, 1);
  company.service.tick(1);
  CHECK(company.status(company.theirs) == JobStatus::succeeded);
  CHECK(company.status(company.mine) == JobStatus::running);
  CHECK_FALSE(company.service.launcher.worker(run).asked_to_stop);
  company.finish(run, 0);
  company.service.launcher.exit(run, 0);
  company.service.tick(1);
  CHECK(company.status(company.mine) == JobStatus::succeeded);
  const auto theirs = list_models(company.service.database, company.rival).items;
  REQUIRE(theirs.size() == 1);
  CHECK(bytes_of(company.service.blobs.path(theirs[0].bundle_sha256)) == "adapter 1");
  CHECK(list_models(company.service.database, company.service.customer).items.size() == 1);
}

TEST_CASE("a lane that fails by its data fails its own job, and the run goes on") {
  Company company;
  const auto run = company.begin();
  FakeLauncher::write(
      run, LaneFailed{0, "invalid_training_file", "Line 1 has no text.", "training_file"});
  company.service.tick(1);
  CHECK(company.status(company.mine) == JobStatus::failed);
  CHECK(company.status(company.theirs) == JobStatus::running);
  CHECK_FALSE(company.service.launcher.worker(run).asked_to_stop);
  company.finish(run, 1);
  company.service.launcher.exit(run, 0);
  company.service.tick(1);
  CHECK(company.status(company.theirs) == JobStatus::succeeded);
  CHECK(company.service.count_events(company.theirs, "Line 1") == 0);
}

TEST_CASE("where one lane is cancelled or paused the others go on from the run's checkpoint") {
  for (const bool pause : {false, true}) {
    CAPTURE(pause);
    Company company;
    const auto first = company.begin();
    FakeLauncher::write(first, Company::progress(0, 30));
    FakeLauncher::write(first, Company::progress(1, 40));
    company.service.tick(1);
    if (pause)
      pause_job(company.service.database, company.service.customer, company.mine,
                company.service.now);
    else
      cancel_job(company.service.database, company.service.customer, company.mine,
                 company.service.now);
    company.service.tick();
    CHECK(company.service.launcher.worker(first).asked_to_stop);
    leave_checkpoint(first, {at(0, 31), at(1, 41)});
    FakeLauncher::write(first, RunFinished{true});
    company.service.launcher.exit(first, 0);
    company.service.tick(1);
    company.service.tick();
    CHECK(company.status(company.mine) == (pause ? JobStatus::paused : JobStatus::cancelled));
    REQUIRE(company.service.launcher.launched().size() == 2);
    const Order order = company.order();
    REQUIRE(order.lanes.size() == 1);
    CHECK(order.lanes[0].job_id == company.theirs);
    const auto handed_over = read_checkpoint_header(company.service.launcher.last() / "lane-0" /
                                                    "checkpoint.safetensors");
    REQUIRE(handed_over);
    REQUIRE(handed_over->lanes.size() == 1);
    CHECK(handed_over->lanes[0].step == 41);
    // It paid nothing and heard nothing.
    CHECK(company.job(company.theirs).attempts == 1);
    CHECK(company.job(company.theirs).progress.step == 41);
    CHECK(company.service.count_events(company.theirs, "back in the queue") == 0);
    const auto told = list_checkpoints(company.service.database, company.mine, {}).items;
    CHECK(told.size() == (pause ? 0 : 1));
    if (!pause) {
      // Their customer's file has nothing of the others.
      const auto file =
          find_file(company.service.database, company.service.customer, *told[0].file, 0);
      const std::string bytes = bytes_of(company.service.blobs.path(file->sha256));
      CHECK(bytes.find("tensor of lane 0") != std::string::npos);
      CHECK(bytes.find("tensor of lane 1") == std::string::npos);
    }
  }
}

TEST_CASE("a worker of a shared run that does not stop is ended, and nobody who stayed is blamed") {
  Company company;
  const auto run = company.begin();
  cancel_job(company.service.database, company.service.customer, company.mine, company.service.now);
  company.service.launcher.workers_obey = false;
  company.service.tick();
  company.service.tick(company.service.options.stop_grace_seconds);
  CHECK(company.service.launcher.worker(run).ended_at_once);
  company.service.launcher.kill(run, 9);
  company.service.tick(1);
  company.service.tick();
  CHECK(list_trials(company.service.database, company.theirs).at(0).failures == 0);
  CHECK(company.status(company.theirs) == JobStatus::running);
  CHECK(company.service.launcher.launched().size() == 2);
}

TEST_CASE("trials whose shared worker died are tried alone") {
  Company company;
  const auto run = company.begin();
  company.service.launcher.kill(run, 11);
  company.service.tick(1);
  CHECK(company.status(company.mine) == JobStatus::queued);
  CHECK(company.status(company.theirs) == JobStatus::queued);
  company.service.tick(60);
  REQUIRE(company.service.launcher.launched().size() == 2);
  CHECK(company.order().lanes.size() == 1);
}

TEST_CASE("a lane that cannot be ordered fails alone, and the others are launched without it") {
  Company company;
  company.wait_in_queue();  // files are found whole, and go afterwards
  const Job mine = company.job(company.mine);
  company.service.blobs.remove(
      find_file_of_any_customer(company.service.database, mine.training_file)->sha256);
  company.service.tick();
  company.service.tick();
  CHECK(company.status(company.mine) == JobStatus::failed);
  CHECK(company.status(company.theirs) == JobStatus::running);
  REQUIRE(company.service.launcher.launched().size() == 1);
  CHECK(company.order().lanes.size() == 1);
}

TEST_CASE("other backbones and jobs that began before keep to themselves") {
  Company company(4);
  company.wait_in_queue();
  Statement(company.service.database, "UPDATE jobs SET backbone_sha256 = ? WHERE public_id = ?",
            std::string(64, 'c'), company.theirs)
      .run();
  const std::string third = company.service.submit("third");
  company.service.tick();
  const Order order = company.order();
  REQUIRE(order.lanes.size() == 2);
  CHECK(order.lanes[0].job_id == company.mine);
  CHECK(order.lanes[1].job_id == third);
}
