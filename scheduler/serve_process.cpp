// Watching over the predicting worker; see the header.
#include "scheduler/serve_process.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <exception>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "scheduler/child_process.h"
#include "scheduler/launcher.h"
#include "scheduler/retry_policy.h"

namespace graft {
namespace {

constexpr std::int64_t longest_pause = 60;  // seconds
constexpr std::int64_t settled_after =
    60;  // a child that lived so long has not failed at the start

constexpr std::int64_t second_look = 2;  // seconds after the first
constexpr int most_excuses = 10;         // an endless loop computes, too

// Clock ticks of all its threads, from proc(5); 0: not to be known.
std::int64_t computed_by(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  // The name before it, in parentheses, may hold anything.
  const std::size_t name = line.rfind(')');
  if (name == line.npos) return 0;
  std::istringstream rest(line.substr(name + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) rest >> skipped;
  std::int64_t user = 0, system = 0;
  rest >> user >> system;
  return user + system;
}

}  // namespace

ServeProcess::ServeProcess(ServeProcessOptions options) : options_(std::move(options)) {}

ServeProcess::~ServeProcess() {
  stop();
}

void ServeProcess::report_silence(std::chrono::steady_clock::time_point since) {
  silent_since_ = since;
}

void ServeProcess::tick(std::int64_t now) {
  if (stopped_) return;
  look_at_silence(now);
  if (pid_ != 0) {
    if (const std::optional<ChildEnd> end = reap_child(pid_)) {
      const WorkerState state{false, end->exit_code, end->signal};
      pid_ = 0;
      ready_ = false;
      if (now - started_at_ >= settled_after) failures_ = 0;
      plan_restart(now);
      spdlog::error("prediction worker: {}; starting it again in {} s; its log is {}",
                    describe_end(state, WorkerEnd::own_fault, true), start_due_ - now,
                    options_.log.string());
    }
  }
  if (pid_ == 0 && now >= start_due_) start(now);
  std::error_code ignored;
  ready_ = pid_ != 0 && std::filesystem::is_socket(options_.socket, ignored);
}

void ServeProcess::look_at_silence(std::int64_t now) {
  const auto silent_since = silent_since_.exchange({});
  if (pid_ == 0) return;
  if (!suspicion_) {
    if (silent_since > born_) suspicion_ = {now, computed_by(pid_)};
    return;
  }
  if (now < suspicion_->at + second_look) return;
  const bool computes = computed_by(pid_) > suspicion_->computed;
  suspicion_.reset();
  if (computes && ++excused_ <= most_excuses) {
    spdlog::warn("prediction worker: process {} answers nobody, but computes", pid_);
    return;
  }
  spdlog::error("prediction worker: process {} has stopped answering; it is killed", pid_);
  signal_process(pid_, SIGKILL);
}

void ServeProcess::start(std::int64_t now) {
  std::error_code ignored;
  std::filesystem::remove(options_.socket, ignored);  // an old one would look as if it were ready
  ChildCommand command;
  command.program = options_.worker_program;
  command.arguments = {"serve", "--socket", options_.socket.string(), "--threads",
                       std::to_string(options_.threads)};
  command.environment = worker_environment();
  command.log = options_.log;
  command.dies_with_starter = true;
  started_at_ = now;
  born_ = std::chrono::steady_clock::now();
  suspicion_.reset();
  excused_ = 0;
  try {
    pid_ = start_child(command);
    spdlog::info("prediction worker started, process {}", pid_);
  } catch (const std::exception& error) {
    plan_restart(now);
    spdlog::error("prediction worker: {}; trying again in {} s", error.what(), start_due_ - now);
  }
}

void ServeProcess::plan_restart(std::int64_t now) {
  start_due_ = now + std::min<std::int64_t>(longest_pause, std::int64_t{1} << failures_);
  failures_ = std::min(failures_ + 1, 6);
}

void ServeProcess::stop() {
  stopped_ = true;
  ready_ = false;
  if (pid_ == 0) return;
  signal_process(pid_, SIGTERM);
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::seconds(options_.stop_grace_seconds);
  bool killed = false;
  while (!reap_child(pid_)) {
    if (!killed && std::chrono::steady_clock::now() >= deadline) {
      signal_process(pid_, SIGKILL);
      killed = true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  pid_ = 0;
  std::error_code ignored;
  std::filesystem::remove(options_.socket, ignored);
}

}  // namespace graft
