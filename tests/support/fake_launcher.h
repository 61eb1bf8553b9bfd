// A launcher without processes: the test says what its workers write and how they end.
// Outlives a Scheduler as real workers do; one thread.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/launcher.h"
#include "trainer/contract/record.h"

namespace graft {

class FakeLauncher final : public Launcher {
 public:
  struct Worker {
    WorkerState state;
    bool asked_to_stop = false;
    bool ended_at_once = false;
  };

  void launch(const std::filesystem::path& run_directory) override;
  WorkerState observe(const std::filesystem::path& run_directory) override;
  void stop(const std::filesystem::path& run_directory, bool at_once) override;

  // ---- what a test does ----
  // The next launches throw this many times.
  enum class LaunchTrouble { disk_full, no_program };
  void fail_launches(int times, LaunchTrouble trouble);
  // Whether a worker ends when it is asked to.
  bool workers_obey = true;

  const std::vector<std::filesystem::path>& launched() const { return launched_; }
  const std::filesystem::path& last() const { return launched_.back(); }
  Worker& worker(const std::filesystem::path& run_directory);
  // Appends to the run's records.jsonl as a worker does.
  static void write(const std::filesystem::path& run_directory, const RecordBody& body,
                    double time = 0);
  static void write_text(const std::filesystem::path& run_directory, std::string_view text);
  // Puts a bundle of these bytes where lane 0 puts its own, and returns the record that announces
  // it.
  static LaneFinished make_bundle(const std::filesystem::path& run_directory,
                                  const std::string& bytes, const std::string& backbone_sha256);
  void exit(const std::filesystem::path& run_directory, int code);
  void kill(const std::filesystem::path& run_directory, int signal);
  // As after a restart of the daemon: workers live on, but how they end is no longer known.
  void disown();

 private:
  std::map<std::filesystem::path, Worker> workers_;
  std::vector<std::filesystem::path> launched_;
  int launches_to_fail_ = 0;
  LaunchTrouble trouble_ = LaunchTrouble::no_program;
  bool disowned_ = false;
};

}  // namespace graft
