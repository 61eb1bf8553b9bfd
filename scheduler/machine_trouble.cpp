// While the machine cannot train (no worker starts, the disk is full, a backbone is gone) the queue
// pauses: nothing is claimed but one run now and then, to see whether the trouble is over.
#include <spdlog/spdlog.h>

#include "scheduler/scheduler_state.h"

namespace graft {

void Scheduler::State::machine_fails(const std::string& code, const std::string& reason,
                                     std::int64_t now) {
  // Runs that fall together are one look.
  if (!machine.paused || monotonic >= probe_at) ++failed_probes;
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

// Room is looked at itself, not tried with a run.
void Scheduler::State::watch_disk(std::int64_t now) {
  const bool room = has_room();
  if (!room && !no_room) {
    machine_fails("disk_full",
                  "less than " + std::to_string(options.free_bytes_to_launch >> 20) +
                      " MiB are free under " + options.runs_directory.string(),
                  now);
  } else if (room && no_room) {
    machine_works();
  }
  no_room = !room;
}

bool Scheduler::State::may_claim(const std::vector<Run>& active) const {
  if (!machine.paused) return true;
  const bool probing =
      std::any_of(active.begin(), active.end(), [&](const Run& run) { return run.id == probe; });
  return has_room() && !probing && monotonic >= probe_at;
}

// A trial whose workers die before they begin, while those of others begin, is to blame itself.
bool Scheduler::State::is_to_blame(const std::string& trial_id) {
  const auto known = died_before_beginning.find(trial_id);
  if (known != died_before_beginning.end() && known->second < runs_begun) return true;
  died_before_beginning[trial_id] = runs_begun;
  return false;
}

}  // namespace graft
