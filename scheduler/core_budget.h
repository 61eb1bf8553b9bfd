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

// The processors that the calling thread may run on, in rising order; at least one.
std::vector<int> allowed_processors();

// "0-3,8": how cgroups and the log write processors, and back. Numbers that cannot be read end it.
std::string describe_processors(const std::vector<int>& processors);
std::vector<int> parse_processors(const std::string& text);

// What cgroups grant: the narrowest of the process' own group and all above it, version 2 (cpu.max,
// cpuset.cpus.effective) and version 1 (controllers cpu and cpuset).
struct CgroupGrant {
  std::optional<double> cores;                 // processors' worth of time; nullopt: no quota
  std::optional<std::vector<int>> processors;  // nullopt: any
};
CgroupGrant cgroup_grant(const std::filesystem::path& membership = "/proc/self/cgroup",
                         const std::filesystem::path& mount = "/sys/fs/cgroup");

// Those of `allowed` that the cgroups grant too; all of `allowed` where none would be left.
std::vector<int> granted_processors(const std::vector<int>& allowed, const CgroupGrant& grant);

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

// Confines the calling thread, and the threads and processes that it starts from now on, to these
// processors. Throws std::system_error where the kernel refuses.
void confine_to(const std::vector<int>& processors);

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
