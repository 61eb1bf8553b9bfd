// What goes by itself while the service runs: bytes that nothing needs, most steps of ended jobs.
#include <doctest/doctest.h>

#include <filesystem>

#include "tests/scheduler/service.h"

using namespace graft;

TEST_CASE("while the service runs, old bytes that nothing needs go, and nothing else does") {
  Service service;
  service.options.row_seconds = 0;
  service.restart();
  const std::string id = service.start_job();
  const auto run = service.launcher.last();
  FakeLauncher::write(run, Service::started());
  const auto left_over = service.options.runs_directory / "run_of_yore";
  std::filesystem::create_directories(left_over / "lane-0");
  const Blob stray = service.blobs.put("nobody's");
  const File training = service.upload("rows that a job trains on"),
             deleted = service.upload("rows that nobody wants");
  delete_file(service.database, service.customer, deleted.id, service.now);
  const File trained = *find_file_of_any_customer(service.database, service.job(id).training_file);
  delete_file(service.database, service.customer, trained.id, service.now);

  service.tick(service.options.sweep_seconds - 1);
  CHECK(service.blobs.exists(stray.sha256));  // not at every tick
  CHECK(std::filesystem::exists(left_over));
  service.tick(1);
  CHECK_FALSE(service.blobs.exists(stray.sha256));
  CHECK_FALSE(service.blobs.exists(deleted.sha256));
  CHECK_FALSE(std::filesystem::exists(left_over));
  CHECK(service.blobs.exists(training.sha256));
  CHECK(service.blobs.exists(trained.sha256));  // its job is not at its end yet
  CHECK(std::filesystem::exists(run / "order.json"));

  FakeLauncher::write(run, FakeLauncher::make_bundle(run, "adapter", backbone_hash));
  service.launcher.exit(run, 0);
  service.tick(1);
  REQUIRE(service.status(id) == JobStatus::succeeded);
  const AdapterVersion version = list_models(service.database, service.customer).items.at(0);
  service.tick(service.options.sweep_seconds);
  CHECK_FALSE(service.blobs.exists(trained.sha256));
  CHECK(service.blobs.verify(version.bundle_sha256));
}

TEST_CASE("while the service runs, a blob whose row is still to come stays") {
  Service service;
  const Blob young = service.blobs.put("soon somebody's");
  service.tick(service.options.sweep_seconds);
  service.tick(service.options.sweep_seconds);
  CHECK(service.blobs.exists(young.sha256));
  service.restart();  // whoever wrote it is gone
  CHECK_FALSE(service.blobs.exists(young.sha256));
}

TEST_CASE("a blob store that cannot be swept holds up no job") {
  Service service;
  const std::string id = service.start_job();
  FakeLauncher::write(service.launcher.last(), Service::started());
  std::filesystem::rename(service.scratch / "blobs", service.scratch / "elsewhere");
  service.tick(service.options.sweep_seconds);
  std::filesystem::rename(service.scratch / "elsewhere", service.scratch / "blobs");
  FakeLauncher::write(service.launcher.last(), Service::progress(7));
  service.tick(1);
  CHECK(service.job(id).progress.step == 7);
}

TEST_CASE("the steps of a job are all there while it runs, and thinned out once it has ended") {
  Service service;
  const std::string id = service.start_job();
  const auto run = service.launcher.last();
  FakeLauncher::write(run, Service::started());
  for (int step = 1; step <= 300; ++step) FakeLauncher::write(run, Service::progress(step));
  FakeLauncher::write(run, Service::epoch_ended(1, 300));
  for (int i = 0; i < 5; ++i) service.tick(1);
  CHECK(service.count_events(id, "Step ") == 300);
  FakeLauncher::write(run, FakeLauncher::make_bundle(run, "adapter", backbone_hash));
  service.launcher.exit(run, 0);
  for (int i = 0; i < 5; ++i) service.tick(1);
  REQUIRE(service.status(id) == JobStatus::succeeded);
  CHECK(service.count_events(id, "Step ") == passing_events_kept);
  CHECK(service.count_events(id, "Step 1/") == 1);
  CHECK(service.count_events(id, "Step 300/") == 1);
  CHECK(service.count_events(id, "Epoch 1 ended") == 1);
  CHECK(service.count_events(id, "Created fine-tuning job") == 1);
  CHECK(service.count_events(id, "successfully completed") == 1);
}
