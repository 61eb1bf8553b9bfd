// A set of threads that share the tasks of one call after the other; how many take part may change
// between calls.
//
// They sleep between calls and never spin, so processes that share cores cost each other nothing.
// One thread calls run() and set_limit().
#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace graft {

class ThreadPool {
 public:
  using Work = std::function<void(std::size_t task, std::size_t thread)>;

  // most: of threads that may ever take part, the caller of run() being the first of them; at least
  // 1. limit: of those that do at first; 0: all.
  explicit ThreadPool(int most, int limit = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Numbers of threads in run() are below this.
  std::size_t threads() const { return most_; }
  // How many take part now.
  std::size_t limit() const { return limit_; }
  // From the next run() on; held within 1 and threads(). Threads are made when they are first
  // needed: throws std::system_error where the system gives none, and the limit stays.
  void set_limit(int limit);

  // Calls work(task, thread) for every task below `tasks`, in any order, and returns when all are
  // done. Rethrows the first exception.
  void run(std::size_t tasks, const Work& work);

 private:
  void serve(std::size_t thread);
  void take_tasks(std::unique_lock<std::mutex>& lock, std::size_t thread);
  void end();

  const std::size_t most_;
  std::mutex mutex_;
  // Threads beyond the limit wait on parked_, so that no call wakes them.
  std::condition_variable wake_, parked_, done_;
  const Work* work_ = nullptr;
  std::size_t limit_ = 1, tasks_ = 0, next_ = 0, unfinished_ = 0;
  std::exception_ptr failure_;
  bool ends_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace graft
