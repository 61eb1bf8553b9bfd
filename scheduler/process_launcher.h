// Workers as processes of this machine: `graft-worker train RUN_DIR`. They outlive the daemon; the
// next one finds them by the lock that each holds on its run directory. For the scheduler's thread.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "scheduler/child_process.h"
#include "scheduler/launcher.h"

namespace graft {

struct ProcessLauncherOptions {
  std::filesystem::path worker_program;
  int nice = 10;  // requests and predictions come first
};

class ProcessLauncher final : public Launcher {
 public:
  explicit ProcessLauncher(ProcessLauncherOptions options);
  // Leaves the workers running.
  ~ProcessLauncher() override = default;

  void launch(const std::filesystem::path& run_directory) override;
  WorkerState observe(const std::filesystem::path& run_directory) override;
  void stop(const std::filesystem::path& run_directory, bool at_once) override;

 private:
  struct Child {
    pid_t pid = 0;
    std::optional<ChildEnd> end;
  };
  std::optional<ChildEnd> end_of(Child& child);
  void forget_removed_runs();

  ProcessLauncherOptions options_;
  std::map<std::filesystem::path, Child> children_;
  std::set<std::filesystem::path> adopted_;  // of an earlier daemon, and confined as this one is
};

}  // namespace graft
