// Affinity, cgroups, and arithmetic with small numbers.
#include "scheduler/core_budget.h"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <fstream>
#include <iterator>
#include <numeric>
#include <system_error>

namespace graft {
namespace {

namespace fs = std::filesystem;

constexpr int most_processors = 1 << 16;  // of a machine

// A set of processors of any size: cpu_set_t alone ends at 1024.
class ProcessorSet {
 public:
  explicit ProcessorSet(int processors)
      : words_(CPU_ALLOC_SIZE(static_cast<std::size_t>(processors)) / sizeof(cpu_set_t) + 1) {}
  cpu_set_t* get() { return words_.data(); }
  std::size_t bytes() const { return words_.size() * sizeof(cpu_set_t); }
  std::vector<int> members() {
    std::vector<int> numbers;
    for (std::size_t i = 0; i < 8 * bytes(); ++i)
      if (CPU_ISSET_S(i, bytes(), get())) numbers.push_back(static_cast<int>(i));
    return numbers;
  }
  void add(int processor) { CPU_SET_S(static_cast<std::size_t>(processor), bytes(), get()); }

 private:
  std::vector<cpu_set_t> words_;  // zeroes
};

// Of the calling thread. Throws std::system_error.
ProcessorSet affinity() {
  for (int size = CPU_SETSIZE;; size *= 4) {
    ProcessorSet set(size);
    if (::sched_getaffinity(0, set.bytes(), set.get()) == 0) return set;
    if (errno != EINVAL || size >= most_processors)
      throw std::system_error(errno, std::generic_category(), "cannot ask for the processors");
  }
}

// "200000 100000": microseconds of each period; "max 100000": no quota.
std::optional<double> read_quota(const fs::path& path) {
  std::ifstream file(path);
  double quota = 0, period = 0;
  if (!(file >> quota >> period) || !(quota > 0) || !(period > 0)) return std::nullopt;
  return quota / period;
}

// Version 1 has two files for it; a quota of -1 is none.
std::optional<double> read_quota_v1(const fs::path& directory) {
  std::ifstream quota_file(directory / "cpu.cfs_quota_us"),
      period_file(directory / "cpu.cfs_period_us");
  double quota = 0, period = 0;
  if (!(quota_file >> quota) || !(period_file >> period) || !(quota > 0) || !(period > 0))
    return std::nullopt;
  return quota / period;
}

std::vector<int> read_processors(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return parse_processors(line);
}

void narrow(CgroupGrant& grant, const std::optional<double>& quota,
            const std::vector<int>& processors) {
  if (quota) grant.cores = std::min(*quota, grant.cores.value_or(*quota));
  if (processors.empty()) return;
  if (!grant.processors) {
    grant.processors = processors;
    return;
  }
  std::vector<int> both;
  std::set_intersection(grant.processors->begin(), grant.processors->end(), processors.begin(),
                        processors.end(), std::back_inserter(both));
  grant.processors = std::move(both);
}

// Calls `take` for the mount and each group on the way down to `group`. Inside a container the
// mount is its own group already, and the rest of the way is not there.
template <class Take>
void walk_down(fs::path directory, const std::string& group, const Take& take) {
  take(directory);
  for (const fs::path& name : fs::path(group).relative_path()) take(directory /= name);
}

// One line of /proc/self/cgroup: "0::/a/b" (version 2) or "4:cpu,cpuacct:/a/b".
struct Membership {
  std::string controllers, group;
};
std::optional<Membership> parse_membership(const std::string& line) {
  const std::size_t first = line.find(':');
  const std::size_t second = first == line.npos ? first : line.find(':', first + 1);
  if (second == line.npos || line.substr(second + 1, 1) != "/") return std::nullopt;
  return Membership{line.substr(first + 1, second - first - 1), line.substr(second + 1)};
}

bool lists(const std::string& controllers, const std::string& name) {
  return ("," + controllers + ",").find("," + name + ",") != std::string::npos;
}

int bounded(const char* option, const std::optional<int>& wanted, int most, std::string& cut) {
  if (wanted.value_or(most) <= most) return std::max(wanted.value_or(most), 1);
  if (!cut.empty()) cut += ", ";
  cut += std::string(option) + " " + std::to_string(*wanted);
  return most;
}

}  // namespace

std::string describe_processors(const std::vector<int>& processors) {
  std::string text;
  for (std::size_t i = 0; i < processors.size();) {
    std::size_t last = i;
    while (last + 1 < processors.size() && processors[last + 1] == processors[last] + 1) ++last;
    if (!text.empty()) text += ",";
    text += std::to_string(processors[i]);
    if (last > i) text += "-" + std::to_string(processors[last]);
    i = last + 1;
  }
  return text;
}

std::vector<int> parse_processors(const std::string& text) {
  std::vector<int> processors;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    int first = 0;
    auto parsed = std::from_chars(at, end, first);
    if (parsed.ec != std::errc() || first < 0) break;
    int last = first;
    if (parsed.ptr != end && *parsed.ptr == '-') {
      parsed = std::from_chars(parsed.ptr + 1, end, last);
      if (parsed.ec != std::errc() || last < first || last >= most_processors) break;
    }
    for (int number = first; number <= last; ++number) processors.push_back(number);
    at = parsed.ptr;
    if (at == end || *at != ',') break;
    ++at;
  }
  std::sort(processors.begin(), processors.end());
  processors.erase(std::unique(processors.begin(), processors.end()), processors.end());
  return processors;
}

std::vector<int> allowed_processors() {
  try {
    std::vector<int> members = affinity().members();
    if (!members.empty()) return members;
  } catch (const std::system_error&) {
  }
  return {0};
}

CgroupGrant cgroup_grant(const fs::path& membership, const fs::path& mount) {
  CgroupGrant grant;
  std::ifstream file(membership);
  for (std::string line; std::getline(file, line);) {
    const auto found = parse_membership(line);
    if (!found) continue;
    const std::string& names = found->controllers;
    if (names.empty())
      walk_down(mount, found->group, [&](const fs::path& at) {
        narrow(grant, read_quota(at / "cpu.max"), read_processors(at / "cpuset.cpus.effective"));
      });
    if (lists(names, "cpu"))
      walk_down(mount / "cpu", found->group,
                [&](const fs::path& at) { narrow(grant, read_quota_v1(at), {}); });
    if (lists(names, "cpuset"))
      walk_down(mount / "cpuset", found->group, [&](const fs::path& at) {
        narrow(grant, std::nullopt, read_processors(at / "cpuset.effective_cpus"));
      });
  }
  return grant;
}

std::vector<int> granted_processors(const std::vector<int>& allowed, const CgroupGrant& grant) {
  if (!grant.processors) return allowed;
  std::vector<int> both;
  std::set_intersection(allowed.begin(), allowed.end(), grant.processors->begin(),
                        grant.processors->end(), std::back_inserter(both));
  return both.empty() ? allowed : both;
}

int usable_cores(int processors, std::optional<double> quota) {
  if (quota && *quota < processors) return std::max(1, static_cast<int>(std::floor(*quota)));
  return std::max(1, processors);
}

CoreBudget plan_budget(const WantedCores& wanted, int usable) {
  CoreBudget budget;
  budget.cores = bounded("--cores", wanted.cores, usable, budget.cut);
  budget.workers = bounded("--workers", wanted.workers, budget.cores, budget.cut);
  budget.worker_threads =
      bounded("--worker-threads", wanted.worker_threads, budget.cores, budget.cut);
  return budget;
}

void confine_to(const std::vector<int>& processors) {
  ProcessorSet set(*std::max_element(processors.begin(), processors.end()) + 1);
  for (const int processor : processors) set.add(processor);
  if (::sched_setaffinity(0, set.bytes(), set.get()) != 0)
    throw std::system_error(errno, std::generic_category(), "sched_setaffinity");
}

void confine_as_here(pid_t process) {
  try {
    ProcessorSet set = affinity();
    std::error_code ended;
    for (fs::directory_iterator task("/proc/" + std::to_string(process) + "/task", ended), end;
         !ended && task != end; task.increment(ended)) {
      const std::string name = task->path().filename().string();
      pid_t thread = 0;
      std::from_chars(name.data(), name.data() + name.size(), thread);
      if (thread > 0) ::sched_setaffinity(thread, set.bytes(), set.get());
    }
  } catch (const std::system_error&) {  // as it was, then
  }
}

std::vector<int> share_threads(int cores, std::span<const ThreadRange> runs) {
  std::vector<int> shares;
  for (const ThreadRange& run : runs) shares.push_back(run.least);
  for (int left = cores - std::accumulate(shares.begin(), shares.end(), 0); left > 0; --left) {
    std::optional<std::size_t> poorest;
    for (std::size_t i = 0; i < shares.size(); ++i)
      if (shares[i] < runs[i].most && (!poorest || shares[i] < shares[*poorest])) poorest = i;
    if (!poorest) break;
    ++shares[*poorest];
  }
  return shares;
}

}  // namespace graft
