// Which run computes with how many threads. All active runs count, also those that an earlier
// daemon launched: what their directories say is what they have.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>

#include "scheduler/scheduler_state.h"
#include "storage/runs.h"

namespace graft {

RunThreads& Scheduler::State::threads_of(const Run& run) {
  Supervision& supervision = supervised[run.id];
  if (supervision.threads) return *supervision.threads;
  const int most = std::clamp(options.worker_threads, 1, std::max(options.cores, 1));
  RunThreads threads{{1, most}, 0};
  const RunDirectory directory = directory_of(run);
  const std::optional<int> ordered =
      supervision.launch_due ? std::nullopt : directory.order_threads();
  if (ordered) {
    const std::optional<int> now = directory.threads();
    threads.now = now.value_or(*ordered);
    threads.range.most = std::min(most, *ordered);
    // Its daemon was of a version before there was such a file: its worker does not look for one.
    if (!now) threads.range = {*ordered, *ordered};
  }
  return *(supervision.threads = threads);
}

// Each run has one at least, whatever the others have now.
bool Scheduler::State::has_core_for_another(const std::vector<Run>& active) {
  int taken = 0;
  for (const Run& run : active) taken += threads_of(run).range.least;
  return taken < std::max(options.cores, 1);
}

// Workers look at their file between steps, so for the length of a step a run that shrinks may
// still use what another one already has; a new worker needs longer than that to come to its first.
void Scheduler::State::share_cores() {
  const std::vector<Run> active = list_active_runs(database);
  std::vector<ThreadRange> ranges;
  ranges.reserve(active.size());
  for (const Run& run : active) ranges.push_back(threads_of(run).range);
  const std::vector<int> shares = share_threads(options.cores, ranges);
  for (std::size_t i = 0; i < active.size(); ++i) {
    RunThreads& threads = threads_of(active[i]);
    if (threads.now == shares[i]) continue;
    try {
      if (!supervised[active[i].id].launch_due && threads.now > 0) {
        directory_of(active[i]).write_threads(shares[i]);
        spdlog::info("run {}: {} threads instead of {}", active[i].id, shares[i], threads.now);
      }
      threads.now = shares[i];
    } catch (const std::exception& error) {  // asked again at the next tick
      complain("run " + active[i].id + " keeps its threads: " + error.what());
    }
  }
}

}  // namespace graft
