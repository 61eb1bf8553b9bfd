// The pool: tasks are large, so one lock for each is cheap.
#include "trainer/thread_pool.h"

#include <utility>

namespace graft {

ThreadPool::ThreadPool(int threads) {
  for (int thread = 1; thread < threads; ++thread)
    workers_.emplace_back([this, thread] { serve(static_cast<std::size_t>(thread)); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(std::size_t tasks, const Work& work) {
  std::unique_lock lock(mutex_);
  work_ = &work;
  tasks_ = unfinished_ = tasks;
  next_ = 0;
  if (tasks > 1) wake_.notify_all();
  take_tasks(lock, 0);
  done_.wait(lock, [&] { return unfinished_ == 0; });
  work_ = nullptr;
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void ThreadPool::serve(std::size_t thread) {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [&] { return ends_ || (work_ && next_ < tasks_); });
    if (ends_) return;
    take_tasks(lock, thread);
  }
}

void ThreadPool::take_tasks(std::unique_lock<std::mutex>& lock, std::size_t thread) {
  while (next_ < tasks_) {
    const std::size_t task = next_++;
    const Work& work = *work_;
    lock.unlock();
    std::exception_ptr failure;
    try {
      work(task, thread);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (failure && !failure_) failure_ = failure;
    if (--unfinished_ == 0) done_.notify_one();
  }
}

}  // namespace graft
