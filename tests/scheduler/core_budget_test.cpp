// How large the budget of cores is, how it is shared out, and that the kernel holds to it.
#include "scheduler/core_budget.h"

#include <doctest/doctest.h>
#include <sched.h>

#include <fstream>
#include <numeric>
#include <thread>

#include "tests/support/scratch_directory.h"

using namespace graft;

namespace {

std::vector<int> shares(int cores, const std::vector<ThreadRange>& runs) {
  return share_threads(cores, runs);
}

}  // namespace

TEST_CASE("runs get equal shares, the first ones the remainder, each at least one") {
  CHECK(shares(4, {}) == std::vector<int>{});
  CHECK(shares(4, {{1, 4}}) == std::vector<int>{4});
  CHECK(shares(4, {{1, 4}, {1, 4}}) == std::vector<int>{2, 2});
  CHECK(shares(4, {{1, 4}, {1, 4}, {1, 4}}) == std::vector<int>{2, 1, 1});
  CHECK(shares(7, {{1, 7}, {1, 7}, {1, 7}, {1, 7}}) == std::vector<int>{2, 2, 2, 1});
  CHECK(shares(2, {{1, 2}, {1, 2}, {1, 2}}) == std::vector<int>{1, 1, 1});
  for (int cores = 1; cores <= 9; ++cores)
    for (std::size_t runs = 1; runs <= static_cast<std::size_t>(cores); ++runs) {
      const auto given = shares(cores, std::vector<ThreadRange>(runs, {1, cores}));
      CHECK(std::accumulate(given.begin(), given.end(), 0) == cores);
      CHECK(given.front() - given.back() <= 1);
    }
}

TEST_CASE("a run gets no more than it may have, and what it leaves goes to the others") {
  CHECK(shares(8, {{1, 2}}) == std::vector<int>{2});
  CHECK(shares(8, {{1, 2}, {1, 8}}) == std::vector<int>{2, 6});
  CHECK(shares(8, {{1, 8}, {1, 2}, {1, 8}}) == std::vector<int>{3, 2, 3});
  CHECK(shares(8, {{5, 5}, {1, 8}}) == std::vector<int>{5, 3});
  CHECK(shares(4, {{4, 4}, {1, 4}}) == std::vector<int>{4, 1});  // the first cannot be changed
}

TEST_CASE("auto is as many trainings as cores, each with all of them where it is alone") {
  const CoreBudget budget = plan_budget({}, 6);
  CHECK(budget.cores == 6);
  CHECK(budget.workers == 6);
  CHECK(budget.worker_threads == 6);
  CHECK(budget.cut.empty());
}

TEST_CASE("numbers are upper bounds within the budget, and what is cut is told") {
  CoreBudget budget = plan_budget({4, 2, 3}, 8);
  CHECK(budget.cores == 4);
  CHECK(budget.workers == 2);
  CHECK(budget.worker_threads == 3);
  CHECK(budget.cut.empty());
  budget = plan_budget({16, 3, 99}, 2);
  CHECK(budget.cores == 2);
  CHECK(budget.workers == 2);
  CHECK(budget.worker_threads == 2);
  CHECK(budget.cut == "--cores 16, --workers 3, --worker-threads 99");
  budget = plan_budget({1, {}, 2}, 8);
  CHECK(budget.workers == 1);
  CHECK(budget.worker_threads == 1);
  CHECK(budget.cut == "--worker-threads 2");
}

TEST_CASE("a quota grants whole cores, at least one, never more than the processors") {
  CHECK(usable_cores(8, std::nullopt) == 8);
  CHECK(usable_cores(8, 2.0) == 2);
  CHECK(usable_cores(8, 2.9) == 2);
  CHECK(usable_cores(8, 0.5) == 1);
  CHECK(usable_cores(4, 16.0) == 4);
  CHECK(usable_cores(0, std::nullopt) == 1);
}

TEST_CASE("the smallest quota on the way to the process' cgroup counts") {
  const ScratchDirectory scratch;
  const auto membership = scratch / "cgroup", mount = scratch / "mount";
  const auto quota = [&](const std::filesystem::path& group, const std::string& text) {
    std::filesystem::create_directories(mount / group);
    std::ofstream(mount / group / "cpu.max") << text << "\n";
  };
  CHECK(cgroup_cores(membership, mount) == std::nullopt);
  std::ofstream(membership) << "4:cpu:/elsewhere\n0::/system.slice/graft.service\n";
  CHECK(cgroup_cores(membership, mount) == std::nullopt);
  quota("system.slice/graft.service", "max 100000");
  CHECK(cgroup_cores(membership, mount) == std::nullopt);
  quota("system.slice", "350000 100000");
  CHECK(cgroup_cores(membership, mount) == 3.5);
  quota("system.slice/graft.service", "100000 50000");
  CHECK(cgroup_cores(membership, mount) == 2.0);
  quota("", "150000 100000");  // what a container sees of its own
  CHECK(cgroup_cores(membership, mount) == 1.5);
  quota("", "nonsense");
  CHECK(cgroup_cores(membership, mount) == 2.0);
  std::ofstream(membership) << "0::/\n";
  CHECK(cgroup_cores(membership, mount) == std::nullopt);
}

TEST_CASE("a confined thread and those that it starts run on the first processors only") {
  const int before = allowed_processors();
  std::thread([&] {
    const std::string processors = confine_to(1);
    CHECK(processors.find_first_not_of("0123456789") == std::string::npos);
    CHECK(allowed_processors() == 1);
    std::thread([&] {
      CHECK(allowed_processors() == 1);
      CHECK(std::to_string(::sched_getcpu()) == processors);
    }).join();
    CHECK(confine_to(1000) == processors);  // never more than before
  }).join();
  CHECK(allowed_processors() == before);
}
