// A fixed set of threads that share the tasks of one call after the other.
//
// They sleep between calls and never spin, so processes that share cores cost each other nothing.
// One thread calls run().
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

  // threads: at least 1; the caller of run() is the first of them.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  std::size_t threads() const { return workers_.size() + 1; }

  // Calls work(task, thread) for every task below `tasks`, in any order, and returns when all are
  // done. Rethrows the first exception.
  void run(std::size_t tasks, const Work& work);

 private:
  void serve(std::size_t thread);
  void take_tasks(std::unique_lock<std::mutex>& lock, std::size_t thread);

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  const Work* work_ = nullptr;
  std::size_t tasks_ = 0, next_ = 0, unfinished_ = 0;
  std::exception_ptr failure_;
  bool ends_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace graft
