// While the machine cannot train (no worker starts, the disk is full, a backbone is gone) the queue
// pauses: nothing is claimed but one run now and then, to see whether the trouble is over.
#include <spdlog/spdlog.h>

#include "scheduler/scheduler_state.h"

namespace graft {

void Scheduler::State::machine_fails(const std::string& code, const std::string& reason,
                                     std::int64_t now) {
  ++failed_probes;
  const std::int64_t pause = probe_pause_seconds(failed_probes);
  probe_at = monotonic + pause;
  probe.clear();
  const bool news = !machine.paused || machine.code != code;
  if (!machine.paused) machine.since = now;
  machine = {true, code, reason, machine.since, pause};
  if (news) {
    spdlog::error("the queue pauses ({}): {}; one run tries again from time to time", code, reason);
  } else {
    spdlog::warn("the queue still pauses ({}): {}; next try in {} s", code, reason, pause);
  }
}

void Scheduler::State::machine_works() {
  failed_probes = 0;
  probe.clear();
  if (machine.paused) spdlog::info("the queue goes on: {} is over", machine.code);
  machine = {};
}

bool Scheduler::State::may_claim(const std::vector<Run>& active, std::int64_t now) {
  if (!has_room()) {
    if (machine.code != "disk_full") {
      machine_fails("disk_full",
                    "less than " + std::to_string(options.free_bytes_to_launch >> 20) +
                        " MiB are free under " + options.runs_directory.string(),
                    now);
    }
    return false;
  }
  if (!machine.paused) return true;
  const bool probing =
      std::any_of(active.begin(), active.end(), [&](const Run& run) { return run.id == probe; });
  return !probing && monotonic >= probe_at;
}

}  // namespace graft
