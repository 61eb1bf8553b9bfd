// The file `threads` of a run directory (trainer/contract/order.h), by which the scheduler
// shares the cores among runs: keeps a pool at the number that stands there. For the thread that
// uses the pool.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "trainer/fast/thread_pool.h"

namespace graft {

class ThreadLimit {
 public:
  // most: what the order allows, and what counts while there is no file.
  ThreadLimit(const std::filesystem::path& run_directory, int most);

  // What the file said last.
  int threads() const { return threads_; }

  // Reads the file again and tells the pool. changed: called with the numbers before and after.
  void follow(ThreadPool& pool, const std::function<void(std::size_t, std::size_t)>& changed);

 private:
  void read();

  std::filesystem::path path_;
  int most_, threads_;
};

}  // namespace graft
