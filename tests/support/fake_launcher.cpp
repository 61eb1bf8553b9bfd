// See the header.
#include "tests/support/fake_launcher.h"

#include <csignal>
#include <fstream>
#include <stdexcept>

#include "storage/database.h"
#include "trainer/durable/sha256.h"

namespace graft {

void FakeLauncher::launch(const std::filesystem::path& run_directory) {
  if (launches_to_fail_ > 0) {
    --launches_to_fail_;
    if (trouble_ == LaunchTrouble::disk_full) throw StorageError("no space left", true);
    throw std::runtime_error("cannot run graft-worker: No such file or directory");
  }
  workers_[run_directory] = Worker{{true, {}, {}}, false, false};
  launched_.push_back(run_directory);
}

WorkerState FakeLauncher::observe(const std::filesystem::path& run_directory) {
  const auto found = workers_.find(run_directory);
  if (found == workers_.end()) return {};
  WorkerState state = found->second.state;
  if (disowned_) state.exit_code = state.signal = std::nullopt;
  return state;
}

void FakeLauncher::stop(const std::filesystem::path& run_directory, bool at_once) {
  Worker& stopped = worker(run_directory);
  (at_once ? stopped.ended_at_once : stopped.asked_to_stop) = true;
  if (at_once || workers_obey) kill(run_directory, at_once ? SIGKILL : SIGTERM);
}

void FakeLauncher::fail_launches(int times, LaunchTrouble trouble) {
  launches_to_fail_ = times;
  trouble_ = trouble;
}

FakeLauncher::Worker& FakeLauncher::worker(const std::filesystem::path& run_directory) {
  return workers_.at(run_directory);
}

void FakeLauncher::write(const std::filesystem::path& run_directory, const RecordBody& body,
                         double time) {
  write_text(run_directory, write_record({time, body}) + "\n");
}

void FakeLauncher::write_text(const std::filesystem::path& run_directory, std::string_view text) {
  std::ofstream(run_directory / "records.jsonl", std::ios::binary | std::ios::app) << text;
}

LaneFinished FakeLauncher::make_bundle(const std::filesystem::path& run_directory,
                                       const std::string& bytes,
                                       const std::string& backbone_sha256) {
  std::filesystem::create_directories(run_directory / "lane-0");
  std::ofstream(run_directory / "lane-0" / "result.zip", std::ios::binary) << bytes;
  LaneFinished finished;
  finished.bundle = "lane-0/result.zip";
  finished.bundle_sha256 = sha256_of_bytes(bytes);
  finished.backbone_sha256 = backbone_sha256;
  finished.labels = {"no", "yes"};
  finished.metrics.numbers.set("valid_accuracy", 0.9);
  finished.metrics.trained_tokens = 1234;
  finished.metrics.tokens_per_second = 4321;
  finished.metrics.steps = 100;
  return finished;
}

void FakeLauncher::exit(const std::filesystem::path& run_directory, int code) {
  worker(run_directory).state = {false, code, std::nullopt};
}

void FakeLauncher::kill(const std::filesystem::path& run_directory, int signal) {
  worker(run_directory).state = {false, std::nullopt, signal};
}

void FakeLauncher::disown() {
  disowned_ = true;
}

}  // namespace graft
