// While the machine cannot train the queue waits, fails nobody's job and goes on by itself.
#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <cstdint>

#include "tests/scheduler/service.h"

using namespace graft;

TEST_CASE("a full disk at launch is told once and waited for") {
  Service service;
  service.launcher.fail_launches(5, FakeLauncher::LaunchTrouble::disk_full);
  const std::string id = service.start_job();
  for (int i = 0; i < 5; ++i) service.tick(10);
  CHECK(service.status(id) == JobStatus::queued);
  CHECK(service.count_events(id, "disk is full") == 1);
  CHECK(service.count_events(id, "Fine-tuning job started") == 1);
  CHECK(service.job(id).attempts == 0);
  CHECK(service.scheduler->machine().code == "disk_full");
  for (int i = 0; i < 100; ++i) service.tick(10);
  CHECK(service.launcher.launched().size() == 1);
  CHECK(service.job(id).attempts == 1);
  FakeLauncher::write(service.launcher.last(), Service::started());
  service.tick(1);
  CHECK_FALSE(service.scheduler->machine().paused);
}

TEST_CASE("a worker that a full disk brought down runs again once there is room") {
  Service service;
  const std::string id = service.start_job();
  FakeLauncher::write(service.launcher.last(), Service::started());
  FakeLauncher::write(service.launcher.last(), LaneFailed{0, "disk_full", "No room.", ""});
  service.launcher.exit(service.launcher.last(), 1);
  service.options.free_bytes_to_launch = std::int64_t{1} << 60;
  service.restart();
  for (int i = 0; i < 20; ++i) service.tick(10);
  CHECK(service.status(id) == JobStatus::queued);
  CHECK(service.launcher.launched().size() == 1);
  CHECK(service.count_events(id, "the job waits and goes on by itself") == 1);
  CHECK(service.scheduler->machine().code == "disk_full");

  service.options.free_bytes_to_launch = 0;
  service.restart();
  service.tick(10);
  CHECK(service.launcher.launched().size() == 2);
}

TEST_CASE("the queue does not stay paused for a trouble that nobody is left to try") {
  Service service;
  const std::string id = service.start_job();
  FakeLauncher::write(service.launcher.last(), Service::started());
  FakeLauncher::write(service.launcher.last(), LaneFailed{0, "disk_full", "No room.", ""});
  service.launcher.exit(service.launcher.last(), 1);
  service.tick(1);
  REQUIRE(service.scheduler->machine().code == "disk_full");
  cancel_job(service.database, service.customer, id, service.now);
  service.tick(1);
  CHECK(service.scheduler->machine().paused);  // not before the next look is due
  service.tick(400);
  CHECK_FALSE(service.scheduler->machine().paused);
}

TEST_CASE("one job alone that waits for its next try keeps the queue paused, longer each time") {
  Service service;
  service.start_job();
  service.launcher.kill(service.launcher.last(), SIGILL);
  std::int64_t longest = 0;
  for (int i = 0; i < 60; ++i) {
    const std::size_t launched = service.launcher.launched().size();
    service.tick(1);
    if (service.launcher.launched().size() > launched)
      service.launcher.kill(service.launcher.last(), SIGILL);
    CHECK(service.scheduler->machine().paused);
    longest = std::max(longest, service.scheduler->machine().pause);
  }
  CHECK(longest >= 20);
}

TEST_CASE("a worker program that cannot be run pauses the queue and fails nobody's job") {
  Service service;
  service.launcher.fail_launches(6, FakeLauncher::LaunchTrouble::no_program);
  const std::string first = service.start_job("first");
  const std::string second = service.start_job("second");
  CHECK(service.scheduler->machine().code == "worker_not_started");
  for (int i = 0; i < 15; ++i) service.tick(10);
  CHECK(service.status(first) == JobStatus::queued);
  CHECK(service.status(second) == JobStatus::queued);
  CHECK(service.job(first).attempts == 0);
  CHECK(service.count_events(first, "could not be started") == 1);
  CHECK(service.count_events(second, "could not be started") == 0);  // one run tries for all
  CHECK(list_active_runs(service.database).empty());
  for (int i = 0; i < 60; ++i) service.tick(10);
  REQUIRE(service.launcher.launched().size() == 1);
  CHECK(service.scheduler->machine().paused);  // not before the worker says that it began
  FakeLauncher::write(service.launcher.last(), Service::started());
  service.tick(1);
  CHECK_FALSE(service.scheduler->machine().paused);
}

TEST_CASE("workers that die before they began pause the queue; no attempt is used up") {
  Service service;
  const std::string id = service.start_job("first");
  const std::string waiting = service.submit("second");
  for (int i = 0; i < 8; ++i) {
    service.launcher.kill(service.launcher.last(), SIGILL);
    service.tick(400);
    service.tick(400);
  }
  CHECK(service.status(id) != JobStatus::failed);
  CHECK(service.status(waiting) == JobStatus::queued);
  CHECK(service.job(id).attempts <= 1);
  CHECK(service.scheduler->machine().code == "worker_not_started");
  CHECK(service.count_events(id, "cannot train at the moment") == 1);
}

TEST_CASE("a backbone that is not configured keeps its own jobs waiting and nobody else's") {
  Service service;
  const BackboneLocation minilm = service.backbones.at("minilm");
  service.backbones.clear();
  const std::string id = service.start_job("first");
  CHECK(service.status(id) == JobStatus::queued);
  CHECK(service.count_events(id, "not configured") == 1);
  CHECK_FALSE(service.scheduler->machine().paused);
  service.backbones = {{"minilm", minilm}};
  const std::string next = service.start_job("next");
  CHECK(service.status(next) == JobStatus::running);
}
