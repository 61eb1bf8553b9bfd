// What happens to a job whose worker ended without a result. Pure functions: any thread.
#pragma once

#include <string>

#include "scheduler/launcher.h"

namespace graft {

// Why a worker is gone, as far as that can be known.
enum class WorkerEnd {
  own_fault,  // crashed, was killed, or left without a result
  asked,      // somebody outside asked it to stop: a shutdown, an operator
  disk_full,  // it had no room to write
  unknown,    // it was an earlier daemon's child, or never came to be
};

WorkerEnd classify_end(const WorkerState& state, bool said_cancelled, bool disk_has_room);

// "the worker was killed by signal 9 (SIGKILL)": to be put into a sentence.
std::string describe_end(const WorkerState& state, WorkerEnd end, bool ever_started);

// Whether a job that has had `attempts` runs gets another. Ends that are not the worker's own fault
// count less, because restarts of a machine must not fail a job; but they count, because training
// may be what brings the machine down.
bool may_retry(WorkerEnd end, int attempts, int max_attempts);

}  // namespace graft
