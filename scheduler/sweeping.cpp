// Bytes that nothing needs any more go while the service runs: blobs of deleted and expired files,
// of checkpoints of ended trials, directories of ended runs.
#include <spdlog/spdlog.h>

#include <filesystem>

#include "scheduler/scheduler_state.h"
#include "storage/files.h"
#include "storage/runs.h"

namespace graft {

void Scheduler::State::sweep(std::int64_t now, bool at_start) {
  swept_at = monotonic;
  const std::vector<Run> active = list_active_runs(database);
  std::filesystem::create_directories(options.runs_directory);
  const int runs = remove_other_runs(options.runs_directory, [&](const std::string& id) {
    return std::any_of(active.begin(), active.end(), [&](const Run& run) { return run.id == id; });
  });
  // At the start nobody else writes yet, and what is half written is of an earlier daemon.
  const auto referenced = [&](const std::string& sha256) {
    return is_blob_referenced(database, sha256, now);
  };
  const int removed = at_start ? blobs.sweep(referenced)
                               : blobs.sweep(referenced, std::chrono::seconds(options.row_seconds));
  if (at_start) {
    spdlog::info("start: {} runs to take up again, {} old run directories, {} unused blobs removed",
                 active.size(), runs, removed);
  } else if (runs + removed > 0) {
    spdlog::info("swept: {} old run directories, {} unused blobs", runs, removed);
  }
}

}  // namespace graft
