// Launching by fork and exec, liveness by waitpid for our own children and by flock for all others.
#include "scheduler/process_launcher.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include "scheduler/core_budget.h"
#include "trainer/durable/descriptor.h"

namespace graft {
namespace {

namespace fs = std::filesystem;

// Written at launch, for a daemon that is not the worker's parent.
constexpr const char* pid_file = "worker.pid";

struct LockHolder {
  bool held = false;
  pid_t pid = 0;  // 0: not known
};

// 0 where the file is missing or holds no number.
pid_t read_pid(const fs::path& path) {
  pid_t pid = 0;
  std::ifstream(path) >> pid;
  return pid;
}

// Tries a shared lock, which the worker's exclusive one excludes and which is gone again at return.
LockHolder look_at_lock(const fs::path& run_directory) {
  LockHolder holder;
  const Descriptor file = try_open_file(run_directory / "worker.lock", O_RDONLY);
  if (!file) return holder;
  holder.held = ::flock(file.number(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  if (holder.held) holder.pid = read_pid(run_directory / pid_file);
  return holder;
}

}  // namespace

ProcessLauncher::ProcessLauncher(ProcessLauncherOptions options) : options_(std::move(options)) {}

void ProcessLauncher::launch(const fs::path& run_directory) {
  forget_removed_runs();
  ChildCommand command;
  command.program = options_.worker_program;
  command.arguments = {"train", run_directory.string()};
  command.environment = worker_environment();
  command.log = run_directory / "worker.log";
  command.nice = options_.nice;
  const pid_t pid = start_child(command);
  children_[run_directory] = Child{pid, std::nullopt};
  std::ofstream(run_directory / pid_file) << pid << '\n';
}

WorkerState ProcessLauncher::observe(const fs::path& run_directory) {
  WorkerState state;
  if (const auto child = children_.find(run_directory); child != children_.end()) {
    const std::optional<ChildEnd> end = end_of(child->second);
    if (end) {
      state.exit_code = end->exit_code;
      state.signal = end->signal;
    }
    state.alive = !end;
    return state;
  }
  const LockHolder holder = look_at_lock(run_directory);
  state.alive = holder.held;
  // The budget of cores may be another one than that of the daemon that launched it.
  if (holder.held && holder.pid > 0 && adopted_.insert(run_directory).second)
    confine_as_here(holder.pid);
  return state;
}

void ProcessLauncher::stop(const fs::path& run_directory, bool at_once) {
  const int signal = at_once ? SIGKILL : SIGTERM;
  if (const auto child = children_.find(run_directory); child != children_.end()) {
    if (!end_of(child->second)) signal_process(child->second.pid, signal);
    return;
  }
  // Only a lock that is held vouches for the process id beside it: without, the id may be anybody's
  // by now.
  const LockHolder holder = look_at_lock(run_directory);
  if (holder.held) signal_process(holder.pid, signal);
}

std::optional<ChildEnd> ProcessLauncher::end_of(Child& child) {
  if (!child.end) child.end = reap_child(child.pid);
  return child.end;
}

void ProcessLauncher::forget_removed_runs() {
  for (auto child = children_.begin(); child != children_.end();) {
    std::error_code ignored;
    const bool forget = end_of(child->second) && !fs::exists(child->first, ignored);
    child = forget ? children_.erase(child) : std::next(child);
  }
  std::erase_if(adopted_, [](const fs::path& run_directory) {
    std::error_code ignored;
    return !fs::exists(run_directory, ignored);
  });
}

}  // namespace graft
