// Affinity, cgroups, and arithmetic with small numbers.
#include "scheduler/core_budget.h"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <fstream>
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

// "0-3,8"
std::string describe(const std::vector<int>& processors) {
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

// "200000 100000": microseconds of each period; "max 100000": no quota.
std::optional<double> read_quota(const fs::path& path) {
  std::ifstream file(path);
  double quota = 0, period = 0;
  if (!(file >> quota >> period) || !(quota > 0) || !(period > 0)) return std::nullopt;
  return quota / period;
}

int bounded(const char* option, const std::optional<int>& wanted, int most, std::string& cut) {
  if (wanted.value_or(most) <= most) return std::max(wanted.value_or(most), 1);
  if (!cut.empty()) cut += ", ";
  cut += std::string(option) + " " + std::to_string(*wanted);
  return most;
}

}  // namespace

int allowed_processors() {
  try {
    return std::max<int>(1, static_cast<int>(affinity().members().size()));
  } catch (const std::system_error&) {
    return 1;
  }
}

std::optional<double> cgroup_cores(const fs::path& membership, const fs::path& mount) {
  std::ifstream file(membership);
  std::string line;
  while (std::getline(file, line) && !line.starts_with("0::/")) continue;
  if (!line.starts_with("0::/")) return std::nullopt;
  std::optional<double> cores;
  const auto take = [&](const fs::path& directory) {
    const std::optional<double> quota = read_quota(directory / "cpu.max");
    if (quota) cores = std::min(*quota, cores.value_or(*quota));
  };
  fs::path directory = mount;
  take(directory);
  for (const fs::path& name : fs::path(line.substr(4))) take(directory /= name);
  return cores;
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

std::string confine_to(int cores) {
  std::vector<int> processors = affinity().members();
  processors.resize(std::min(processors.size(), static_cast<std::size_t>(std::max(cores, 1))));
  ProcessorSet set(processors.back() + 1);
  for (const int processor : processors) set.add(processor);
  if (::sched_setaffinity(0, set.bytes(), set.get()) != 0)
    throw std::system_error(errno, std::generic_category(), "sched_setaffinity");
  return describe(processors);
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
