// The one interface of this room: how a worker comes to run on a run directory. Tests have a fake;
// a cluster gets its own later. Called from the scheduler's thread only.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace graft {

struct WorkerState {
  bool alive = false;
  // Known only where the worker was our child and has ended.
  std::optional<int> exit_code;
  std::optional<int> signal;
};

class Launcher {
 public:
  virtual ~Launcher() = default;
  // Starts a worker on a prepared run directory, which says with how many threads. Throws
  // std::runtime_error where it cannot.
  virtual void launch(const std::filesystem::path& run_directory) = 0;
  // Also for runs that an earlier daemon launched: liveness is the lock that a worker holds.
  virtual WorkerState observe(const std::filesystem::path& run_directory) = 0;
  // Asks the worker to stop (SIGTERM), or ends it at once (SIGKILL).
  virtual void stop(const std::filesystem::path& run_directory, bool at_once) = 0;
};

}  // namespace graft
