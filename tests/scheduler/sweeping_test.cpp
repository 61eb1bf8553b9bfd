// What goes by itself while the service runs: most steps of ended jobs.
#include <doctest/doctest.h>

#include "tests/scheduler/service.h"

using namespace graft;

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
