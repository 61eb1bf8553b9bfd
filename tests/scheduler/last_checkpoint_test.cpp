// What becomes of the last checkpoint of a trial that ends without a version: its customer's file.
#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "tests/scheduler/checkpoint_bytes.h"
#include "tests/scheduler/service.h"

using namespace graft;

namespace {

std::vector<Checkpoint> checkpoints(Service& service, const std::string& id) {
  return list_checkpoints(service.database, id, {.now = service.now}).items;
}

// A job whose worker has said that it began.
std::string under_way(Service& service) {
  const std::string id = service.start_job();
  FakeLauncher::write(service.launcher.last(), Service::started());
  service.tick();
  return id;
}

}  // namespace

TEST_CASE("a job that is cancelled while it runs has its last checkpoint as a file") {
  Service service;
  const std::string id = under_way(service);
  const auto run = service.launcher.last();
  REQUIRE(cancel_job(service.database, service.customer, id, service.now) ==
          CancelOutcome::cancelled);
  service.tick();
  CHECK(service.launcher.worker(run).asked_to_stop);
  leave_checkpoint(run, {{.lane = 0, .step = 40, .total_steps = 99}});
  const std::string left = bytes_of(run / "checkpoint.safetensors");
  service.launcher.exit(run, 0);
  service.tick(1);
  const auto told = checkpoints(service, id);
  REQUIRE(told.size() == 1);
  CHECK(told[0].step == 40);
  CHECK(told[0].epoch == 2);  // of three of 33 steps
  CHECK(parse_metrics_text(told[0].metrics).get("train_loss") == 0.5);
  REQUIRE(told[0].file);
  const auto file = find_file(service.database, service.customer, *told[0].file, service.now);
  REQUIRE(file);
  CHECK(file->purpose == "fine-tune-results");
  CHECK(file->filename == "checkpoint-step-40.safetensors");
  CHECK(bytes_of(service.blobs.path(file->sha256)) == left);
  CHECK(service.count_events(id, *told[0].file) == 1);
  service.restart();
  CHECK(service.blobs.verify(file->sha256));
  service.tick();
  CHECK(checkpoints(service, id).size() == 1);
}

TEST_CASE("a last checkpoint that ended an epoch is that epoch's, with its numbers") {
  Service service;
  const std::string id = under_way(service);
  const auto run = service.launcher.last();
  FakeLauncher::write(run, Service::epoch_ended(1, 33));
  leave_checkpoint(run, {{.lane = 0, .step = 33, .total_steps = 99}});
  service.tick();
  CHECK_FALSE(checkpoints(service, id).at(0).file);
  cancel_job(service.database, service.customer, id, service.now);
  service.launcher.exit(run, 0);
  service.tick(1);
  const auto told = checkpoints(service, id);
  REQUIRE(told.size() == 1);
  CHECK(told[0].file);
  CHECK(told[0].epoch == 1);
}

TEST_CASE("a paused job that is cancelled, and one that fails at last, have theirs, too") {
  Service service;
  const std::string paused = under_way(service);
  leave_checkpoint(service.launcher.last(), {{.lane = 0, .step = 40, .total_steps = 99}});
  pause_job(service.database, service.customer, paused, service.now);
  service.launcher.exit(service.launcher.last(), 0);
  service.tick(1);
  CHECK(checkpoints(service, paused).empty());  // its next run goes on from there
  cancel_job(service.database, service.customer, paused, service.now);
  service.tick(1);
  REQUIRE(checkpoints(service, paused).size() == 1);
  CHECK(checkpoints(service, paused)[0].file);

  const std::string falling = service.submit("other");
  for (int attempt = 1; attempt <= 3; ++attempt) {
    service.tick(60);
    CHECK(checkpoints(service, falling).empty());
    FakeLauncher::write(service.launcher.last(), Service::started());
    service.tick();
    if (attempt == 1)
      leave_checkpoint(service.launcher.last(), {{.lane = 0, .step = 20, .total_steps = 99}});
    service.launcher.kill(service.launcher.last(), 11);
    service.tick(1);
  }
  REQUIRE(service.status(falling) == JobStatus::failed);
  REQUIRE(checkpoints(service, falling).size() == 1);
  CHECK(checkpoints(service, falling)[0].step == 20);
  CHECK(checkpoints(service, falling)[0].file);
}

TEST_CASE("no file is made of a checkpoint of nothing, of a damaged one, or of a success") {
  Service service;
  const auto cancelled_with = [&](const std::function<void(const std::filesystem::path&)>& leave) {
    const std::string id = under_way(service);
    leave(service.launcher.last());
    cancel_job(service.database, service.customer, id, service.now);
    service.launcher.exit(service.launcher.last(), 0);
    service.tick(1);
    return id;
  };
  const std::string none = cancelled_with([](const auto&) {});
  CHECK(checkpoints(service, none).empty());
  const std::string nothing = cancelled_with(
      [](const auto& run) { leave_checkpoint(run, {{.lane = 0, .step = 0, .total_steps = 99}}); });
  CHECK(checkpoints(service, nothing).empty());
  const std::string damaged = cancelled_with(
      [](const auto& run) { std::ofstream(run / "checkpoint.safetensors") << "no checkpoint"; });
  CHECK(checkpoints(service, damaged).empty());

  const std::string done = under_way(service);
  const auto run = service.launcher.last();
  leave_checkpoint(run, {{.lane = 0, .step = 40, .total_steps = 99}});
  FakeLauncher::write(run, FakeLauncher::make_bundle(run, "adapter", backbone_hash));
  service.launcher.exit(run, 0);
  service.tick(1);
  REQUIRE(service.status(done) == JobStatus::succeeded);
  CHECK(checkpoints(service, done).empty());
}

TEST_CASE("a last checkpoint goes when its customer deletes it, or after thirty days") {
  Service service;
  std::vector<std::string> hashes;
  for (const bool deleted : {true, false}) {
    const std::string id = under_way(service);
    leave_checkpoint(service.launcher.last(),
                     {{.lane = 0, .step = deleted ? 40 : 41, .total_steps = 99}});
    cancel_job(service.database, service.customer, id, service.now);
    service.launcher.exit(service.launcher.last(), 0);
    service.tick(1);
    const std::string file = checkpoints(service, id).at(0).file.value();
    hashes.push_back(find_file(service.database, service.customer, file, service.now)->sha256);
    if (deleted) {
      delete_file(service.database, service.customer, file, service.now);
    } else {
      service.now += 30 * 24 * 60 * 60;
    }
    CHECK_FALSE(checkpoints(service, id).at(0).file);
  }
  service.restart();
  for (const std::string& hash : hashes) CHECK_FALSE(service.blobs.exists(hash));
}

TEST_CASE("of a checkpoint of several lanes each trial gets its own part") {
  ScratchDirectory scratch;
  leave_checkpoint(scratch.path(), {{.lane = 0, .step = 10, .total_steps = 99},
                                    {.lane = 1, .step = 20, .total_steps = 99}});
  const auto whole = scratch / "checkpoint.safetensors";
  std::filesystem::create_directory(scratch / "one");
  const auto part = checkpoint_of_lane(whole, 1);
  REQUIRE(part);
  std::ofstream(scratch / "part", std::ios::binary) << *part;
  const auto header = read_checkpoint_header(scratch / "part");
  REQUIRE(header);
  REQUIRE(header->lanes.size() == 1);
  CHECK(header->lanes[0].lane == 1);
  CHECK(header->lanes[0].step == 20);
  CHECK(part->find("lane.1.values") != std::string::npos);
  CHECK(part->find("lane.0.") == std::string::npos);
  CHECK(part->find("tensor of lane 1") != std::string::npos);
  CHECK(part->find("tensor of lane 0") == std::string::npos);
  CHECK(checkpoint_of_lane(scratch / "part", 1) == part);  // whole, and laid out the same
  CHECK_FALSE(checkpoint_of_lane(whole, 2));
  std::string torn = bytes_of(whole);
  torn.back() = '!';
  std::ofstream(scratch / "torn", std::ios::binary) << torn;
  CHECK_FALSE(checkpoint_of_lane(scratch / "torn", 1));
}
