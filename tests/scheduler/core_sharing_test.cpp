// Runs come and go, and their threads are as many as the budget has.
#include <doctest/doctest.h>

#include <csignal>

#include "tests/scheduler/service.h"
#include "tests/scheduler/worker_script.h"

using namespace graft;

namespace {

struct SharingService : Service {
  explicit SharingService(int cores, int workers = 0, int worker_threads = 0) {
    options.cores = cores;
    options.workers = workers > 0 ? workers : cores;
    options.worker_threads = worker_threads > 0 ? worker_threads : cores;
    restart();
  }
  // Of the runs in the order of their launch.
  std::vector<int> threads() {
    std::vector<int> numbers;
    for (const Run& run : list_active_runs(database))
      numbers.push_back(RunDirectory(options.runs_directory, run.id).threads().value_or(0));
    return numbers;
  }
  void end_oldest() {
    const Run run = list_active_runs(database).front();
    const auto directory = options.runs_directory / run.id;
    FakeLauncher::write(directory, FakeLauncher::make_bundle(directory, run.id, backbone_hash));
    FakeLauncher::write(directory, RunFinished{});
    launcher.exit(directory, 0);
    tick();
  }
  std::filesystem::path directory(std::size_t number) { return launcher.launched().at(number); }
};

using Threads = std::vector<int>;

}  // namespace

TEST_CASE("a job alone has all cores; a second one starts with half, and the first shrinks") {
  SharingService service(2);
  service.start_job("a");
  CHECK(service.threads() == Threads{2});
  service.tick();
  CHECK(service.threads() == Threads{2});
  service.start_job("b");
  CHECK(service.threads() == Threads{1, 1});
  CHECK(service.launcher.launched().size() == 2);
}

TEST_CASE("queued jobs start with one thread each, and the last one has all cores again") {
  SharingService service(2);
  for (const char* task : {"a", "b", "c"}) service.submit(task);
  service.tick();
  CHECK(service.threads() == Threads{1, 1});
  service.end_oldest();
  CHECK(service.threads() == Threads{1, 1});  // the third came in
  service.end_oldest();
  CHECK(service.threads() == Threads{2});
  CHECK(service.launcher.launched().size() == 3);
}

TEST_CASE("the remainder of the cores goes to the oldest runs") {
  SharingService service(5);
  for (const char* task : {"a", "b", "c"}) service.submit(task);
  service.tick();
  CHECK(service.threads() == Threads{2, 2, 1});
  service.end_oldest();
  CHECK(service.threads() == Threads{3, 2});
}

TEST_CASE("numbers that were given bound the trainings and the threads of each") {
  SharingService one_at_a_time(4, 1);
  for (const char* task : {"a", "b"}) one_at_a_time.submit(task);
  one_at_a_time.tick();
  CHECK(one_at_a_time.threads() == Threads{4});

  SharingService narrow(4, 3, 1);
  for (const char* task : {"a", "b", "c", "d"}) narrow.submit(task);
  narrow.tick();
  CHECK(narrow.threads() == Threads{1, 1, 1});
  CHECK(parse_order(file_text(narrow.directory(0) / "order.json")).threads == 1);
}

TEST_CASE("more trainings and threads than there are cores are never launched") {
  SharingService service(2, 9, 9);
  for (const char* task : {"a", "b", "c"}) service.submit(task);
  service.tick();
  CHECK(service.threads() == Threads{1, 1});
  CHECK(parse_order(file_text(service.directory(0) / "order.json")).threads == 2);
}

TEST_CASE("a worker that died gives its threads to the others until its job is back") {
  SharingService service(2);
  service.start_job("a");
  service.start_job("b");
  FakeLauncher::write(service.directory(0), Service::started());
  service.launcher.kill(service.directory(0), SIGKILL);
  service.tick();  // it waits a second and more before it is tried again
  CHECK(service.launcher.launched().size() == 2);
  CHECK(service.threads() == Threads{2});
  service.tick(10);
  CHECK(service.launcher.launched().size() == 3);
  CHECK(service.threads() == Threads{1, 1});
}

TEST_CASE("workers of an earlier daemon are counted with the threads that they have") {
  SharingService service(4);
  service.start_job("a");
  service.start_job("b");
  CHECK(service.threads() == Threads{2, 2});
  service.launcher.disown();
  service.restart();
  service.tick();
  CHECK(service.threads() == Threads{2, 2});
  service.end_oldest();
  CHECK(service.threads() == Threads{4});
}

TEST_CASE("a daemon with fewer cores shrinks the workers it finds and launches none before") {
  SharingService service(4);
  for (const char* task : {"a", "b", "c"}) service.submit(task);
  service.tick();
  CHECK(service.threads() == Threads{2, 1, 1});
  service.options.cores = service.options.workers = service.options.worker_threads = 2;
  service.launcher.disown();
  service.restart();
  service.submit("d");
  service.tick();
  CHECK(service.threads() == Threads{1, 1, 1});
  service.end_oldest();
  CHECK(service.launcher.launched().size() == 3);
  CHECK(service.threads() == Threads{1, 1});
  service.end_oldest();
  CHECK(service.launcher.launched().size() == 4);
  CHECK(service.threads() == Threads{1, 1});
}

TEST_CASE("a worker that cannot grow beyond its order leaves the rest to others") {
  SharingService service(4, 4, 1);
  service.start_job("a");
  service.options.worker_threads = 4;
  service.launcher.disown();
  service.restart();
  service.start_job("b");
  CHECK(service.threads() == Threads{1, 3});
}

TEST_CASE("a worker of a version before there was a file for it keeps what its order says") {
  SharingService service(4);
  service.start_job("a");
  std::filesystem::remove(service.directory(0) / "threads");
  service.options.worker_threads = 4;
  service.launcher.disown();
  service.restart();
  service.submit("b");
  service.tick();
  CHECK(service.launcher.launched().size() == 1);  // it has all four
  CHECK_FALSE(std::filesystem::exists(service.directory(0) / "threads"));
  service.end_oldest();
  CHECK(service.launcher.launched().size() == 2);
  CHECK(service.threads() == Threads{4});
}

TEST_CASE("the precision that the service was told goes to every order") {
  SharingService service(2);
  service.options.precision = Precision::bf16;
  service.restart();
  service.start_job("a");
  CHECK(parse_order(file_text(service.directory(0) / "order.json")).precision == Precision::bf16);
}
