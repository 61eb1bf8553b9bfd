// graft-worker as a program: how a run that the machine has no room for ends. The want is real:
// /dev/full has no room on its disk, RLIMIT_AS leaves no memory, RLIMIT_FSIZE cuts a line short.
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <sstream>

#include "tests/trainer/tiny_task.h"
#include "trainer/contract/exit_codes.h"
#include "trainer/fast/precision.h"
#include "trainer/training/run_failure.h"
#include "trainer/training/run_report.h"

namespace graft {
namespace {

std::filesystem::path run_directory(const ScratchDirectory& scratch, std::vector<LaneOrder> lanes) {
  const auto directory = scratch.path() / "run";
  std::filesystem::create_directories(directory);
  write_text(directory / "order.json", write_order(tiny_order(std::move(lanes))));
  return directory;
}

// The exit code of `graft-worker train`; address_space in bytes, RLIM_INFINITY: as it is here.
// held_to_avx2: as on a CPU without bf16.
int train(const std::filesystem::path& directory, rlim_t address_space = RLIM_INFINITY,
          bool held_to_avx2 = false) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (held_to_avx2) {
      ::setenv("ONEDNN_MAX_CPU_ISA", "AVX2", 1);
      ::setenv("ATEN_CPU_CAPABILITY", "avx2", 1);
    }
    const rlimit limit{address_space, address_space};
    if (address_space != RLIM_INFINITY && ::setrlimit(RLIMIT_AS, &limit) != 0) ::_exit(126);
    ::execl(GRAFT_WORKER_PROGRAM, GRAFT_WORKER_PROGRAM, "train", directory.c_str(), nullptr);
    ::_exit(127);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

std::vector<Record> records_of(const std::filesystem::path& directory) {
  std::vector<Record> records;
  std::istringstream lines(read_text(directory / "records.jsonl"));
  for (std::string line; std::getline(lines, line);) records.push_back(parse_record(line));
  return records;
}

template <class Body>
const Body* find(const std::vector<Record>& records) {
  for (const Record& record : records)
    if (const auto* body = std::get_if<Body>(&record.body)) return body;
  return nullptr;
}

TEST_CASE("a lane whose adapter finds no room fails alone and the exit code says so") {
  const ScratchDirectory scratch;
  const auto directory = run_directory(
      scratch, {tiny_lane(scratch, "one", 2, 40, 1), tiny_lane(scratch, "two", 2, 40, 2)});
  std::filesystem::create_directories(directory / "lane-0");
  std::filesystem::create_symlink("/dev/full", directory / "lane-0" / "result.zip.part");
  CHECK(train(directory) == exit_disk_full);
  const auto records = records_of(directory);
  const auto* failed = find<LaneFailed>(records);
  REQUIRE(failed != nullptr);
  CHECK(failed->lane == 0);
  CHECK(failed->code == "disk_full");
  CHECK(failed->message.find("No space left on device") != std::string::npos);
  CHECK(failed->message.find(scratch.path().string()) == std::string::npos);
  const auto* finished = find<LaneFinished>(records);
  REQUIRE(finished != nullptr);
  CHECK(finished->lane == 1);
  CHECK_FALSE(std::filesystem::exists(directory / "lane-0" / "result.zip"));
  CHECK(find<RunFinished>(records) != nullptr);
}

TEST_CASE("a run that cannot write its records ends with the exit code of a full disk") {
  const ScratchDirectory scratch;
  const auto directory = run_directory(scratch, {tiny_lane(scratch, "one", 2, 40, 1)});
  std::filesystem::create_symlink("/dev/full", directory / "records.jsonl");
  CHECK(train(directory) == exit_disk_full);
  CHECK_FALSE(std::filesystem::exists(directory / "lane-0" / "result.zip"));
}

TEST_CASE("a record that is cut short leaves nothing, and the next stands on its own line") {
  const ScratchDirectory scratch;
  RunReport report(scratch.path());
  report.record(Notice{0, "info", "first"});
  const auto written = std::filesystem::file_size(scratch / "records.jsonl");

  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const rlimit tight{written + 10, before.rlim_max};
  auto* const handler = ::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &tight) == 0);
  std::error_code refusal;
  try {
    report.record(Notice{0, "info", "second"});
  } catch (const std::system_error& error) {
    refusal = error.code();
  }
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  ::signal(SIGXFSZ, handler);

  CHECK(refusal == std::errc::file_too_large);
  CHECK(std::filesystem::file_size(scratch / "records.jsonl") == written);
  report.record(Notice{0, "info", "third"});
  const auto records = records_of(scratch.path());
  REQUIRE(records.size() == 2);
  CHECK(std::get<Notice>(records[1].body).message == "third");
}

// The address sanitizer reserves more addresses than the limit leaves.
#ifdef __SANITIZE_ADDRESS__
constexpr bool limits_memory = false;
#else
constexpr bool limits_memory = true;
#endif

TEST_CASE("a run without enough memory fails as out_of_memory and says what needs less" *
          doctest::skip(!limits_memory)) {
  const ScratchDirectory scratch;
  LaneOrder lane = tiny_lane(scratch, "one", 2, 40, 1);
  lane.size = 1 << 30;
  const auto directory = run_directory(scratch, {lane});
  CHECK(train(directory, rlim_t{8} << 30) == exit_failure);
  const auto records = records_of(directory);
  const auto* failed = find<RunFailed>(records);
  REQUIRE(failed != nullptr);
  CHECK(failed->code == "out_of_memory");
  CHECK(failed->message.find("smaller batch_size") != std::string::npos);
}

TEST_CASE("a precision that the machine does not have fails the run and names the way out") {
  const ScratchDirectory scratch;
  const auto directory = run_directory(scratch, {tiny_lane(scratch, "one", 2, 40, 1)});
  Order order = parse_order(read_text(directory / "order.json"));
  order.precision = Precision::bf16;
  write_text(directory / "order.json", write_order(order));
  CHECK(train(directory, RLIM_INFINITY, true) == exit_failure);
  const auto records = records_of(directory);
  const auto* failed = find<RunFailed>(records);
  REQUIRE(failed != nullptr);
  CHECK(failed->code == "precision_unavailable");
  CHECK(failed->message.find("bf16") != std::string::npos);
  CHECK(failed->message.find("auto or fp32") != std::string::npos);
  CHECK(failed->message.find("--precision") != std::string::npos);
  CHECK(find<LaneFinished>(records) == nullptr);

  order.precision = Precision::automatic;
  write_text(directory / "order.json", write_order(order));
  CHECK(train(directory, RLIM_INFINITY, true) == exit_success);
  CHECK(find<RunStarted>(records_of(directory))->precision == "fp32");
}

TEST_CASE("failures have the codes that the scheduler and customers know") {
  const auto code = [](const auto& error) {
    return describe_failure(std::make_exception_ptr(error)).code;
  };
  const auto system = [&](int number) {
    return code(std::system_error(number, std::generic_category(), "cannot write"));
  };
  CHECK(system(ENOSPC) == "disk_full");
  CHECK(system(EDQUOT) == "disk_full");
  CHECK(system(ENOMEM) == "out_of_memory");
  CHECK(system(EIO) == "worker_error");
  CHECK(code(std::bad_alloc()) == "out_of_memory");
  CHECK(code(PrecisionError("no")) == "precision_unavailable");
  CHECK(code(ProtocolError("no lanes")) == "invalid_order");
  CHECK(code(std::runtime_error("?")) == "worker_error");
}

}  // namespace
}  // namespace graft
