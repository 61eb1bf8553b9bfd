// The pool under many short calls, changing limits and failures; made for the thread sanitizer too.
#include "trainer/fast/thread_pool.h"

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

namespace graft {
namespace {

TEST_CASE("every task is done exactly once, on a thread below threads()") {
  ThreadPool pool(4);
  std::vector<int> done(1000, 0);  // not atomic: each task alone touches its place
  for (int call = 1; call <= 20; ++call) {
    pool.run(done.size(), [&](std::size_t task, std::size_t thread) {
      if (thread < pool.threads()) ++done[task];
    });
    CHECK(done == std::vector<int>(done.size(), call));
  }
}

TEST_CASE("what the tasks wrote is seen by the caller and by the next call") {
  ThreadPool pool(3);
  std::vector<long> values(64, 1);
  long sum = 0;
  for (int call = 0; call < 50; ++call) {
    pool.run(values.size(),
             [&](std::size_t task, std::size_t) { values[task] += values[task] % 7; });
    sum = 0;
    for (const long value : values) sum += value;
  }
  std::vector<long> alone(64, 1);
  long expected = 0;
  for (int call = 0; call < 50; ++call)
    for (long& value : alone) value += value % 7;
  for (const long value : alone) expected += value;
  CHECK(sum == expected);
}

TEST_CASE("a limit holds from the next call on, and may change before each") {
  ThreadPool pool(4, 1);
  CHECK(pool.threads() == 4);
  for (const int limit : {1, 4, 2, 9, 0, 3}) {
    pool.set_limit(limit);
    const std::size_t held = pool.limit();
    CHECK(held >= 1);
    CHECK(held <= 4);
    std::vector<std::size_t> threads(200, 99);
    pool.run(threads.size(), [&](std::size_t task, std::size_t thread) { threads[task] = thread; });
    for (const std::size_t thread : threads) CHECK(thread < held);
  }
}

TEST_CASE("a failing task is told once, after all the others are done") {
  ThreadPool pool(3);
  std::vector<int> done(100, 0);
  const auto work = [&](std::size_t task, std::size_t) {
    done[task] = 1;
    if (task % 10 == 3) throw std::runtime_error("task " + std::to_string(task));
  };
  CHECK_THROWS_AS(pool.run(done.size(), work), std::runtime_error);
  CHECK(done == std::vector<int>(100, 1));
  CHECK_NOTHROW(pool.run(5, [](std::size_t, std::size_t) {}));
}

TEST_CASE("no tasks are no work, and pools come and go") {
  for (int round = 0; round < 30; ++round) {
    ThreadPool pool(round % 4 + 1);
    int calls = 0;
    pool.run(0, [&](std::size_t, std::size_t) { ++calls; });
    pool.run(1, [&](std::size_t, std::size_t) { ++calls; });
    CHECK(calls == 1);
  }
}

}  // namespace
}  // namespace graft
