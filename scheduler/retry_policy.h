// Whose fault it was that a trial came to no result, and what follows. Pure functions: any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "scheduler/launcher.h"

namespace graft {

// Who can mend it decides what follows.
enum class Fault {
  customer,  // bad data, divergence: final
  trial,     // a crash, no memory: tried again after a pause, a limited number of times
  machine,   // no worker starts, disk full, backbone gone: the queue pauses, no attempt is used up
};

// Of the code of a LaneFailed or RunFailed record.
Fault fault_of(std::string_view code);

// Why a worker is gone, as far as that can be known.
enum class WorkerEnd {
  own_fault,    // crashed, was killed, or left without a result
  asked,        // somebody outside asked it to stop: a shutdown, an operator
  disk_full,    // it had no room to write
  never_began,  // it ended before it said that it had started
  unknown,      // it was an earlier daemon's child, or never came to be
};

// began: it has said that it started.
WorkerEnd classify_end(const WorkerState& state, bool said_cancelled, bool disk_has_room,
                       bool began);

// "the worker was killed by signal 9 (SIGKILL)": to be put into a sentence.
std::string describe_end(const WorkerState& state, WorkerEnd end, bool ever_started);

// Seconds until a trial that failed so often by its own fault is tried again: 1, 4, 16 …, at most
// five minutes, and up to a quarter more, drawn from the seed so that trials that fell together do
// not come back together.
std::int64_t back_off_seconds(int failures, std::uint64_t seed);

// Seconds until the next look at whether the machine's trouble is over: 5, 10, 20 …, at most five
// minutes.
std::int64_t probe_pause_seconds(int failed_probes);

}  // namespace graft
