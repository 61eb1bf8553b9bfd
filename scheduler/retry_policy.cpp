// Retrying by cause; see the header.
#include "scheduler/retry_policy.h"

#include <csignal>
#include <cstring>

#include "trainer/contract/exit_codes.h"

namespace graft {
namespace {

constexpr int patience_with_others = 3;

std::string signal_name(int signal) {
  const char* abbreviation = ::sigabbrev_np(signal);
  return abbreviation == nullptr ? std::to_string(signal)
                                 : std::to_string(signal) + " (SIG" + abbreviation + ")";
}

}  // namespace

WorkerEnd classify_end(const WorkerState& state, bool said_cancelled, bool disk_has_room) {
  if (said_cancelled || state.signal == SIGTERM || state.signal == SIGINT ||
      state.signal == SIGHUP) {
    return WorkerEnd::asked;
  }
  if (!disk_has_room || state.exit_code == exit_disk_full) return WorkerEnd::disk_full;
  if (state.signal || state.exit_code) return WorkerEnd::own_fault;
  return WorkerEnd::unknown;
}

std::string describe_end(const WorkerState& state, WorkerEnd end, bool ever_started) {
  if (end == WorkerEnd::asked) return "the worker was asked to stop from outside";
  if (end == WorkerEnd::disk_full) return "the worker ended because the service's disk is full";
  if (state.signal) return "the worker was killed by signal " + signal_name(*state.signal);
  if (state.exit_code) {
    return "the worker ended with exit code " + std::to_string(*state.exit_code) +
           " and without a result";
  }
  return ever_started ? "the worker ended without a result while the service was not watching"
                      : "the worker never started";
}

bool may_retry(WorkerEnd end, int attempts, int max_attempts) {
  return attempts <
         (end == WorkerEnd::own_fault ? max_attempts : max_attempts * patience_with_others);
}

}  // namespace graft
