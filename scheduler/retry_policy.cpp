// Retrying by cause; see the header.
#include "scheduler/retry_policy.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <iterator>

#include "trainer/contract/exit_codes.h"

namespace graft {
namespace {

constexpr std::int64_t longest_pause = 300;  // seconds

// The customer's faults are all the others: what the worker says of data and of training.
constexpr std::string_view machine_faults[] = {
    "disk_full",         "backbone_missing",      "invalid_backbone",
    "backbone_mismatch", "precision_unavailable", "invalid_order",
    "worker_not_started"};
constexpr std::string_view trial_faults[] = {"out_of_memory", "worker_error", "worker_died"};

std::string signal_name(int signal) {
  const char* abbreviation = ::sigabbrev_np(signal);
  return abbreviation == nullptr ? std::to_string(signal)
                                 : std::to_string(signal) + " (SIG" + abbreviation + ")";
}

}  // namespace

Fault fault_of(std::string_view code) {
  if (std::ranges::find(machine_faults, code) != std::end(machine_faults)) return Fault::machine;
  if (std::ranges::find(trial_faults, code) != std::end(trial_faults)) return Fault::trial;
  return Fault::customer;
}

WorkerEnd classify_end(const WorkerState& state, bool said_cancelled, bool disk_has_room,
                       bool began) {
  if (said_cancelled || state.signal == SIGTERM || state.signal == SIGINT ||
      state.signal == SIGHUP) {
    return WorkerEnd::asked;
  }
  if (!disk_has_room || state.exit_code == exit_disk_full) return WorkerEnd::disk_full;
  if (state.signal || state.exit_code) {
    return began ? WorkerEnd::own_fault : WorkerEnd::never_began;
  }
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

std::int64_t back_off_seconds(int failures, std::uint64_t seed) {
  std::int64_t pause = 1;
  for (int i = 1; i < failures && pause < longest_pause; ++i) pause *= 4;
  pause = std::min(pause, longest_pause);
  return pause + static_cast<std::int64_t>(seed % static_cast<std::uint64_t>(pause / 4 + 1));
}

std::int64_t probe_pause_seconds(int failed_probes) {
  std::int64_t pause = 5;
  for (int i = 1; i < failed_probes && pause < longest_pause; ++i) pause *= 2;
  return std::min(pause, longest_pause);
}

}  // namespace graft
