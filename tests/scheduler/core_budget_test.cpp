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
  CHECK(cgroup_grant(membership, mount).cores == std::nullopt);
  std::ofstream(membership) << "4:cpu:/elsewhere\n0::/system.slice/graft.service\n";
  CHECK(cgroup_grant(membership, mount).cores == std::nullopt);
  quota("system.slice/graft.service", "max 100000");
  CHECK(cgroup_grant(membership, mount).cores == std::nullopt);
  quota("system.slice", "350000 100000");
  CHECK(cgroup_grant(membership, mount).cores == 3.5);
  quota("system.slice/graft.service", "100000 50000");
  CHECK(cgroup_grant(membership, mount).cores == 2.0);
  quota("", "150000 100000");  // what a container sees of its own
  CHECK(cgroup_grant(membership, mount).cores == 1.5);
  quota("", "nonsense");
  CHECK(cgroup_grant(membership, mount).cores == 2.0);
  std::ofstream(membership) << "0::/\n";
  CHECK(cgroup_grant(membership, mount).cores == std::nullopt);
}

TEST_CASE("a quota of version 1 counts like one of version 2") {
  const ScratchDirectory scratch;
  const auto membership = scratch / "cgroup", mount = scratch / "mount";
  const auto group = [&](const std::filesystem::path& name, const std::string& quota) {
    std::filesystem::create_directories(mount / "cpu" / name);
    std::ofstream(mount / "cpu" / name / "cpu.cfs_quota_us") << quota << "\n";
    std::ofstream(mount / "cpu" / name / "cpu.cfs_period_us") << "100000\n";
  };
  std::ofstream(membership) << "5:cpuacct,cpu:/docker/abc\n2:cpuset:/\n1:name=systemd:/x\n";
  group("", "-1");
  CHECK(cgroup_grant(membership, mount).cores == std::nullopt);
  group("docker/abc", "250000");
  CHECK(cgroup_grant(membership, mount).cores == 2.5);
  group("docker", "150000");
  CHECK(cgroup_grant(membership, mount).cores == 1.5);
}

TEST_CASE("the processors of every cpuset on the way are granted, of both versions") {
  const ScratchDirectory scratch;
  const auto membership = scratch / "cgroup", mount = scratch / "mount";
  const auto write = [&](const std::filesystem::path& file, const std::string& text) {
    std::filesystem::create_directories((mount / file).parent_path());
    std::ofstream(mount / file) << text << "\n";
  };
  std::ofstream(membership) << "7:cpuset:/old\n0::/pod/box\n";
  CHECK_FALSE(cgroup_grant(membership, mount).processors);
  write("cpuset.cpus.effective", "0-7");
  write("pod/cpuset.cpus.effective", "2-5,7");
  write("pod/box/cpuset.cpus.effective", "");  // nothing of its own
  CHECK(cgroup_grant(membership, mount).processors == std::vector<int>{2, 3, 4, 5, 7});
  write("cpuset/old/cpuset.effective_cpus", "4-9");
  CHECK(cgroup_grant(membership, mount).processors == std::vector<int>{4, 5, 7});
  const CgroupGrant grant = cgroup_grant(membership, mount);
  CHECK(granted_processors({0, 1, 5, 7}, grant) == std::vector<int>{5, 7});
  CHECK(granted_processors({0, 1}, grant) == std::vector<int>{0, 1});  // the mask is the kernel's
  CHECK(granted_processors({0, 1}, {}) == std::vector<int>{0, 1});
}

TEST_CASE("lists of processors are written and read as the kernel does") {
  for (const std::string text : {"0", "0-3,8", "1,3,5-6"})
    CHECK(describe_processors(parse_processors(text)) == text);
  CHECK(parse_processors("").empty());
  CHECK(parse_processors("3,1-2,2") == std::vector<int>{1, 2, 3});
  CHECK(parse_processors("1,nonsense") == std::vector<int>{1});
  CHECK(parse_processors("4-2").empty());
  CHECK(parse_processors("0-99999999999").empty());
}

TEST_CASE("a confined thread and those that it starts run on the given processors only") {
  const std::vector<int> before = allowed_processors();
  std::thread([&] {
    confine_to({before.back()});
    CHECK(allowed_processors() == std::vector<int>{before.back()});
    std::thread([&] {
      CHECK(allowed_processors() == std::vector<int>{before.back()});
      CHECK(::sched_getcpu() == before.back());
    }).join();
  }).join();
  CHECK(allowed_processors() == before);
}
