// One budget of cores for graftd and all that it starts: how large it is, how it is enforced, how
// the threads of trainings are shared out within it. What touches the system says so; the rest is
// pure functions. confine_to belongs before the first thread is started.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace graft {

// The processors that the calling thread may run on; at least 1.
int allowed_processors();

// Processors' worth of time that the quotas (cpu.max) of the process' cgroup (v2) and of those
// above it grant. nullopt: no quota.
std::optional<double> cgroup_cores(const std::filesystem::path& membership = "/proc/self/cgroup",
                                   const std::filesystem::path& mount = "/sys/fs/cgroup");

// What the machine grants: processors, or whole cores of the quota where these are fewer.
int usable_cores(int processors, std::optional<double> quota);

// What somebody asked for; nullopt: auto.
struct WantedCores {
  std::optional<int> cores, workers, worker_threads;
};
struct CoreBudget {
  int cores = 1;           // for everything
  int workers = 1;         // trainings at the same time
  int worker_threads = 1;  // of each, where there are cores for them
  std::string cut;         // what was asked for and is not possible, for the log; empty: nothing
};
CoreBudget plan_budget(const WantedCores& wanted, int usable);

// Confines the calling thread, and the threads and processes that it starts from now on, to the
// first `cores` of the processors that it may run on. Returns them ("0-3,8"). Throws
// std::system_error where the kernel refuses.
std::string confine_to(int cores);

// Lets every thread of a running process run where the calling thread may. Best effort.
void confine_as_here(pid_t process);

// Threads that a run must and may have.
struct ThreadRange {
  int least = 1, most = 1;
};
// Equal shares as far as the ranges allow, the remainder to the first ones; never less than
// `least`, and never more than `cores` together but where these are more.
std::vector<int> share_threads(int cores, std::span<const ThreadRange> runs);

}  // namespace graft
