// Run directories: orders that are complete or absent, names that stay inside, logs for people.
#include "scheduler/run_directory.h"

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "storage/database.h"
#include "tests/support/scratch_directory.h"

using namespace graft;

namespace {

std::string text_of(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("an order is read back as it was written, and no temporary file stays") {
  ScratchDirectory scratch;
  const RunDirectory run(scratch / "runs", "run_1");
  Order order;
  order.run_id = "run_1";
  order.threads = 3;
  order.lanes.resize(2);
  order.lanes[1].task_name = "caffè";
  run.write_order(order);
  const Order read = parse_order(text_of(run.order()));
  CHECK(read.threads == 3);
  CHECK(read.lanes.at(1).task_name == "caffè");
  int files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(run.path())) {
    ++files;
  }
  CHECK(files == 1);
}

TEST_CASE("the number of threads is replaced as a whole and read back, nonsense is no number") {
  ScratchDirectory scratch;
  const RunDirectory run(scratch / "runs", "run_1");
  CHECK_THROWS_AS(run.write_threads(2), StorageError);  // there is no such run
  CHECK_FALSE(run.order_threads());
  Order order;
  order.threads = 12;
  run.write_order(order);
  CHECK(run.order_threads() == 12);
  CHECK_FALSE(run.threads());
  for (const int threads : {12, 3}) {
    run.write_threads(threads);
    CHECK(run.threads() == threads);
    CHECK_FALSE(std::filesystem::exists(run.path() / "threads.new"));
  }
  CHECK(text_of(run.threads_file()) == "3\n");
  for (const char* nonsense : {"", "0\n", "-1\n", "two\n", "3 4\n", "99999999999\n"}) {
    std::ofstream(run.threads_file()) << nonsense;
    CHECK_FALSE(run.threads());
  }
}

TEST_CASE("an order that cannot be written says so") {
  ScratchDirectory scratch;
  std::ofstream(scratch / "runs") << "a file where the directory should be";
  CHECK_THROWS_AS(RunDirectory(scratch / "runs", "run_1").write_order({}), StorageError);
}

TEST_CASE("a name in a record cannot lead out of the run directory") {
  const RunDirectory run("/data/runs", "run_1");
  CHECK(run.file("lane-0/result.zip") == "/data/runs/run_1/lane-0/result.zip");
  CHECK_FALSE(run.file("../run_2/lane-0/result.zip"));
  CHECK_FALSE(run.file("lane-0/../../secret"));
  CHECK_FALSE(run.file("/etc/passwd"));
  CHECK_FALSE(run.file(""));
}

TEST_CASE("the end of a log is a bounded line of printable characters") {
  ScratchDirectory scratch;
  const RunDirectory run(scratch.path(), "run_1");
  CHECK(run.log_ending().empty());
  std::filesystem::create_directories(run.path());
  std::ofstream(run.log(), std::ios::binary) << std::string(9000, '-') << "\nfirst\n\nse\x1b"
                                             << "cond\xff\nthird\n\n  \n";
  CHECK(run.log_ending() == "first | se?cond? | third");
  std::ofstream(run.log(), std::ios::binary) << std::string(9000, 'x') << "the end";
  CHECK(run.log_ending(100).size() <= 103);
  CHECK(run.log_ending(100).ends_with("the end"));
}

TEST_CASE("only directories of runs that are not needed are removed") {
  ScratchDirectory scratch;
  for (const char* name : {"run_1", "run_2", "run_3"}) {
    std::filesystem::create_directories(scratch.path() / name / "lane-0");
  }
  std::ofstream(scratch / "README") << "not a run";
  CHECK(remove_other_runs(scratch.path(), [](const std::string& id) { return id == "run_2"; }) ==
        2);
  CHECK(std::filesystem::exists(scratch / "run_2"));
  CHECK_FALSE(std::filesystem::exists(scratch / "run_1"));
  CHECK(std::filesystem::exists(scratch / "README"));
  CHECK(remove_other_runs(scratch / "nowhere", [](const std::string&) { return false; }) == 0);
}
