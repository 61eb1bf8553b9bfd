// What a crash, a restart and a full disk leave: nothing lost, nothing twice.
#include <doctest/doctest.h>
#include <sqlite3.h>

#include <csignal>
#include <fstream>
#include <system_error>

#include "scheduler/retry_policy.h"
#include "tests/scheduler/service.h"
#include "trainer/contract/exit_codes.h"

using namespace graft;

namespace {

// Lets the database take `pages` more pages and then say that the disk is full.
void leave_room(Database& database, int pages) {
  std::int64_t used = 0;
  sqlite3_stmt* statement = nullptr;
  REQUIRE(sqlite3_prepare_v2(database.handle(), "PRAGMA page_count", -1, &statement, nullptr) ==
          SQLITE_OK);
  REQUIRE(sqlite3_step(statement) == SQLITE_ROW);
  used = sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  const std::string limit = "PRAGMA max_page_count = " + std::to_string(used + pages);
  REQUIRE(sqlite3_exec(database.handle(), limit.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
}

}  // namespace

TEST_CASE("a daemon that restarts reads on where the last one stopped, each record once") {
  Service service;
  const std::string id = service.start_job();
  const auto run = service.launcher.last();
  FakeLauncher::write(run, Service::started());
  FakeLauncher::write(run, Service::progress(10));
  FakeLauncher::write_text(run, "{\"time\": 3, \"type\": \"not");
  service.tick();

  service.launcher.disown();
  service.restart();
  CHECK(service.status(id) == JobStatus::running);
  service.tick(1);
  FakeLauncher::write_text(run,
                           "ice\", \"lane\": 0, \"level\": \"info\", \"message\": \"whole\"}\n");
  FakeLauncher::write(run, Service::progress(20));
  service.tick(1);
  service.restart();
  service.tick(1);
  CHECK(service.count_events(id, "Training worker started") == 1);
  CHECK(service.count_events(id, "Step 10/100") == 1);
  CHECK(service.count_events(id, "Step 20/100") == 1);
  CHECK(service.count_events(id, "whole") == 1);

  FakeLauncher::write(run, FakeLauncher::make_bundle(run, "adapter", backbone_hash));
  FakeLauncher::write(run, RunFinished{});
  service.launcher.exit(run, 0);
  service.tick(1);
  CHECK(service.status(id) == JobStatus::succeeded);
  CHECK(service.launcher.launched().size() == 1);
  CHECK(service.job(id).attempts == 1);
}

TEST_CASE("records and the end of a worker that came while no daemon ran are taken in") {
  Service service;
  const std::string id = service.start_job();
  const auto run = service.launcher.last();
  service.launcher.disown();
  FakeLauncher::write(run, Service::started());
  FakeLauncher::write(run, FakeLauncher::make_bundle(run, "adapter", backbone_hash));
  FakeLauncher::write(run, RunFinished{});
  service.launcher.exit(run, 0);
  service.restart();
  service.tick(100);
  CHECK(service.status(id) == JobStatus::succeeded);
  CHECK(list_active_runs(service.database).empty());
  CHECK_FALSE(std::filesystem::exists(run));
}

TEST_CASE("a job whose worker died while no daemon ran is queued again and succeeds") {
  Service service;
  const std::string id = service.start_job();
  FakeLauncher::write(service.launcher.last(), Service::started());
  service.tick();
  service.launcher.disown();
  service.launcher.kill(service.launcher.last(), SIGKILL);
  service.restart();
  service.tick(1);
  CHECK(service.count_events(id, "ended without a result while the service was not watching") == 1);
  REQUIRE(service.launcher.launched().size() == 2);
  const auto run = service.launcher.last();
  FakeLauncher::write(run, FakeLauncher::make_bundle(run, "adapter", backbone_hash));
  service.tick(1);
  CHECK(service.status(id) == JobStatus::succeeded);
}

TEST_CASE("a daemon that died between claiming and launching loses no job") {
  Service service;
  const std::string id = service.submit();
  enqueue_job(service.database, id, service.now);
  REQUIRE(claim_next_job(service.database, service.now));
  service.restart();
  service.tick(1);  // its worker might still be on its way to the lock
  CHECK(service.launcher.launched().empty());
  service.tick(10);
  CHECK(service.count_events(id, "the worker never started") == 1);
  CHECK(service.launcher.launched().size() == 1);
  CHECK(service.status(id) == JobStatus::running);
}

TEST_CASE("queued jobs stay queued over a restart") {
  Service service;
  service.start_job("first");
  const std::string waiting = service.submit("second");
  service.tick();
  service.restart();
  service.tick();
  CHECK(service.status(waiting) == JobStatus::queued);
}

TEST_CASE("a restart sweeps what no row needs, and keeps what an active run may still publish") {
  Service service;
  const std::string id = service.start_job();
  const auto run = service.launcher.last();
  FakeLauncher::write(run, Service::started());
  service.tick();
  // As a crash between moving the bundle in and the row leaves it.
  const LaneFinished finished = FakeLauncher::make_bundle(run, "adapter", backbone_hash);
  FakeLauncher::write(run, finished);
  const auto second_name = run / "lane-0" / "result.zip.adopting";
  std::filesystem::create_hard_link(run / finished.bundle, second_name);
  service.blobs.adopt(second_name, finished.bundle_sha256);
  const Blob stray = service.blobs.put("nobody's");
  std::filesystem::create_directories(service.options.runs_directory / "run_of_yore" / "lane-0");

  service.restart();
  CHECK_FALSE(service.blobs.exists(stray.sha256));
  CHECK_FALSE(std::filesystem::exists(service.options.runs_directory / "run_of_yore"));
  service.tick(1);
  CHECK(service.status(id) == JobStatus::succeeded);
  CHECK(service.blobs.verify(finished.bundle_sha256));
  service.restart();
  CHECK(service.blobs.verify(finished.bundle_sha256));
}

TEST_CASE("a bundle that was moved in before a crash is published from the store") {
  Service service;
  const std::string id = service.start_job();
  const auto run = service.launcher.last();
  const LaneFinished finished = FakeLauncher::make_bundle(run, "adapter", backbone_hash);
  FakeLauncher::write(run, finished);
  service.blobs.adopt(run / finished.bundle, finished.bundle_sha256);
  REQUIRE_FALSE(std::filesystem::exists(run / finished.bundle));
  service.tick();
  CHECK(service.status(id) == JobStatus::succeeded);
}

TEST_CASE("a crash after the version's row and before the offset makes no second version") {
  Service service;
  const std::string id = service.start_job();
  const auto run = service.launcher.last();
  FakeLauncher::write(run, FakeLauncher::make_bundle(run, "adapter", backbone_hash));
  service.tick();
  REQUIRE(service.status(id) == JobStatus::succeeded);
  const std::string run_id = list_active_runs(service.database).at(0).id;
  {
    Transaction transaction(service.database);
    set_records_offset(service.database, run_id, 0);
    transaction.commit();
  }
  service.restart();
  service.tick();
  CHECK(list_models(service.database, service.customer).items.size() == 1);
  CHECK(service.count_events(id, "New fine-tuned model created") == 1);
  CHECK(list_active_runs(service.database).at(0).records_offset > 0);
}

TEST_CASE("a full disk under the database delays records and loses none") {
  Service service;
  const std::string id = service.start_job();
  const auto run = service.launcher.last();
  leave_room(service.database, 4);
  for (int i = 0; i < 40; ++i) {
    FakeLauncher::write(run, Notice{0, "info", "n" + std::to_string(i) + std::string(3000, '.')});
  }
  FakeLauncher::write(run, FakeLauncher::make_bundle(run, "adapter", backbone_hash));
  FakeLauncher::write(run, RunFinished{});
  service.launcher.exit(run, 0);
  for (int i = 0; i < 30; ++i) service.tick(10);  // far longer than any other trouble may last
  CHECK(service.status(id) == JobStatus::running);
  CHECK(service.count_events(id, "n0.") == 0);
  CHECK(list_active_runs(service.database).at(0).records_offset == 0);

  leave_room(service.database, 10'000);
  service.tick(10);
  CHECK(service.status(id) == JobStatus::succeeded);
  CHECK(service.count_events(id, "n0.") == 1);
  CHECK(service.count_events(id, "n39.") == 1);
}

TEST_CASE("a trial that falls is tried again after 1, 4, 16 seconds and more") {
  CHECK(back_off_seconds(1, 7) == 1);
  CHECK(back_off_seconds(2, 6) >= 4);
  CHECK(back_off_seconds(2, 7) <= 5);
  CHECK(back_off_seconds(3, 0) == 16);
  CHECK(back_off_seconds(3, 4) == 20);
  CHECK(back_off_seconds(40, 0) == 300);
  Service service;
  const std::string id = service.start_job();
  FakeLauncher::write(service.launcher.last(), Service::started());
  service.launcher.kill(service.launcher.last(), SIGSEGV);
  service.tick();
  CHECK(service.status(id) == JobStatus::queued);
  service.tick();
  CHECK(service.launcher.launched().size() == 1);
  service.tick(2);
  CHECK(service.launcher.launched().size() == 2);
}

TEST_CASE("a clock that is set forward or back ends no worker and delays no trial for ever") {
  Service service;
  const std::string id = service.start_job();
  FakeLauncher::write(service.launcher.last(), Service::started());
  service.tick(1);
  service.now += 7 * 86'400;
  service.tick(1);
  CHECK(service.launcher.observe(service.launcher.last()).alive);
  service.now -= 14 * 86'400;
  service.tick(1);
  CHECK(service.launcher.observe(service.launcher.last()).alive);
  CHECK(service.status(id) == JobStatus::running);
  service.launcher.kill(service.launcher.last(), SIGSEGV);
  service.tick();
  service.now -= 86'400;  // its pause seems to last a day now
  service.tick(1);
  CHECK(service.launcher.launched().size() == 2);
}

TEST_CASE(
    "a daemon that was stopped itself does not take its workers' words of that time for silence") {
  Service service;
  service.options.silence_seconds = 600;
  service.restart();
  service.start_job();
  const auto run = service.launcher.last();
  FakeLauncher::write(run, Service::started());
  service.tick(1);
  service.tick(5000);
  service.tick(1);
  CHECK(service.launcher.observe(run).alive);
}

TEST_CASE("a job cancelled before its worker could be started ends its run") {
  Service service;
  service.launcher.fail_launches(1, FakeLauncher::LaunchTrouble::disk_full);
  const std::string id = service.start_job();
  cancel_job(service.database, service.customer, id, service.now);
  service.tick(10);
  CHECK(list_active_runs(service.database).empty());
  CHECK(service.launcher.launched().empty());
}

TEST_CASE("a blob store that takes nothing delays publishing and loses nothing") {
  Service service;
  const std::string id = service.start_job();
  const auto run = service.launcher.last();
  const auto place = service.scratch / "blobs" / "tmp";
  std::filesystem::rename(place, service.scratch / "away");
  FakeLauncher::write(run, FakeLauncher::make_bundle(run, "adapter", backbone_hash));
  service.tick();
  CHECK(service.status(id) == JobStatus::running);
  std::filesystem::rename(service.scratch / "away", place);
  service.tick(10);
  CHECK(service.status(id) == JobStatus::succeeded);
}

TEST_CASE("records that cannot be read for long end the run instead of holding up the queue") {
  Service service;
  const std::string id = service.start_job();
  const auto run = service.launcher.last();
  std::filesystem::create_directory(run / "records.jsonl");
  service.tick();
  for (int i = 0; i < 59; ++i) service.tick(10);
  CHECK(service.status(id) == JobStatus::running);
  service.tick(10);
  service.tick(10);
  CHECK(service.launcher.worker(run).ended_at_once);
  CHECK(service.count_events(id, "attempt 2 of 3 follows") == 1);
  CHECK(service.launcher.last() != run);
}

TEST_CASE("a worker that reports nothing for too long is ended and its job runs again") {
  Service service;
  service.options.silence_seconds = 600;
  service.restart();
  const std::string id = service.start_job();
  const auto run = service.launcher.last();
  FakeLauncher::write(run, Service::started());
  service.tick(1);
  for (int i = 0; i < 59; ++i) service.tick(10);
  FakeLauncher::write(run, Service::progress(1));
  for (int i = 0; i < 61; ++i) service.tick(10);
  CHECK_FALSE(service.launcher.worker(run).ended_at_once);  // one look is not enough
  service.tick(10);
  CHECK(service.launcher.worker(run).ended_at_once);
  CHECK(service.count_events(id, "the worker reported nothing for 600 s") == 1);

  service.launcher.kill(run, SIGKILL);
  service.tick(1);
  service.tick(2);
  CHECK(service.launcher.launched().size() == 2);
  CHECK(service.status(id) == JobStatus::running);
}

TEST_CASE("attempts are counted by whose fault the end was") {
  CHECK(fault_of("invalid_training_file") == Fault::customer);
  CHECK(fault_of("diverged") == Fault::customer);
  CHECK(fault_of("out_of_memory") == Fault::trial);
  CHECK(fault_of("disk_full") == Fault::machine);
  CHECK(fault_of("backbone_missing") == Fault::machine);
  CHECK(classify_end({false, {}, SIGTERM}, false, true, true) == WorkerEnd::asked);
  CHECK(classify_end({false, {}, SIGSEGV}, false, true, true) == WorkerEnd::own_fault);
  CHECK(classify_end({false, {}, SIGILL}, false, true, false) == WorkerEnd::never_began);
  CHECK(classify_end({false, 127, {}}, false, true, false) == WorkerEnd::never_began);
  CHECK(classify_end({false, 0, {}}, true, true, true) == WorkerEnd::asked);
  CHECK(classify_end({false, 0, {}}, false, true, true) == WorkerEnd::own_fault);
  CHECK(classify_end({false, exit_disk_full, {}}, false, true, true) == WorkerEnd::disk_full);
  CHECK(classify_end({}, false, true, true) == WorkerEnd::unknown);
  CHECK(describe_end({false, {}, SIGSEGV}, WorkerEnd::own_fault, true) ==
        "the worker was killed by signal 11 (SIGSEGV)");
}
