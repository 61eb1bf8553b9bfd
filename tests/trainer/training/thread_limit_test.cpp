// The file `threads`: it changes how many threads a run has, and none of its bytes.
#include "trainer/training/thread_limit.h"

#include <doctest/doctest.h>

#include <map>

#include "tests/trainer/tiny_run.h"

namespace graft {
namespace {

using Directory = std::filesystem::path;

// Of this process.
int threads_alive() {
  int count = 0;
  for ([[maybe_unused]] const auto& task : std::filesystem::directory_iterator("/proc/self/task"))
    ++count;
  return count;
}

// All of the bundle but what tells times.
std::map<std::string, std::string> model_files(const Directory& directory, int lane) {
  ArchiveFiles files = bundle(directory, lane);
  files.erase("graft.json");
  return {files.begin(), files.end()};
}

}  // namespace

TEST_CASE("a pool is kept at the number that the file says, within the order's") {
  const ScratchDirectory scratch;
  const Directory file = scratch.path() / "threads";
  std::vector<std::pair<std::size_t, std::size_t>> changes;
  const auto remember = [&](std::size_t before, std::size_t after) {
    changes.emplace_back(before, after);
  };
  ThreadLimit limit(scratch.path(), 3);
  CHECK(limit.threads() == 3);  // no file
  ThreadPool pool(3, limit.threads());
  limit.follow(pool, remember);
  CHECK(changes.empty());

  write_text(file, write_thread_count(2));
  limit.follow(pool, remember);
  limit.follow(pool, remember);
  CHECK(pool.limit() == 2);
  for (const char* nonsense : {"", "0\n", "many\n", "1000000000000000000000\n"}) {
    write_text(file, nonsense);
    limit.follow(pool, remember);
    CHECK(pool.limit() == 2);
  }
  write_text(file, write_thread_count(16));
  limit.follow(pool, remember);
  CHECK(pool.limit() == 3);
  std::filesystem::remove(file);
  limit.follow(pool, remember);
  CHECK(pool.limit() == 3);
  CHECK(changes == std::vector<std::pair<std::size_t, std::size_t>>{{3, 2}, {2, 3}});
  CHECK(ThreadLimit(scratch.path(), 1).threads() == 1);
}

TEST_CASE("a run whose threads change while it trains ends with the same bytes") {
  const ScratchDirectory scratch;
  Order order = tiny_order(three_lanes(scratch));
  order.backbone_directory = backbone_with_dropout(scratch).string();
  const Directory steady = scratch.path() / "steady", moved = scratch.path() / "moved";
  run(order, steady);

  order.threads = 4;
  std::filesystem::create_directories(moved);
  write_text(moved / "threads", write_thread_count(1));
  int asked = 0, before = 0, after = 0;
  const auto records = run(order, moved, [&] {
    // Asked while data is read, too; what counts is that every number meets many steps.
    if (++asked % 4 == 0) write_text(moved / "threads", write_thread_count(1 + asked / 4 % 4));
    if (asked == 2) before = threads_alive();
    after = std::max(after, threads_alive());
    return false;
  });
  CHECK(asked > 15);
  // The reading thread of the beginning is gone, three of the pool came.
  CHECK(after >= before + 2);
  CHECK(all<RunStarted>(records).at(0).threads == 1);
  REQUIRE(all<LaneFinished>(records).size() == order.lanes.size());
  for (int lane = 0; lane < static_cast<int>(order.lanes.size()); ++lane) {
    CAPTURE(lane);
    CHECK(model_files(steady, lane) == model_files(moved, lane));
  }
}

}  // namespace graft
