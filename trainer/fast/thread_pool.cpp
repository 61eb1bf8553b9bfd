// The pool: tasks are large, so one lock for each is cheap.
#include "trainer/fast/thread_pool.h"

#include <algorithm>
#include <utility>

namespace graft {

ThreadPool::ThreadPool(int most, int limit) : most_(static_cast<std::size_t>(std::max(most, 1))) {
  try {
    set_limit(limit > 0 ? limit : most);
  } catch (...) {
    end();
    throw;
  }
}

ThreadPool::~ThreadPool() {
  end();
}

void ThreadPool::end() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  wake_.notify_all();
  parked_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::set_limit(int limit) {
  const auto wanted =
      std::clamp(static_cast<std::size_t>(std::max(limit, 1)), std::size_t{1}, most_);
  while (workers_.size() + 1 < wanted)
    workers_.emplace_back([this, thread = workers_.size() + 1] { serve(thread); });
  {
    const std::lock_guard lock(mutex_);
    limit_ = wanted;
  }
  wake_.notify_all();  // each then waits where it now belongs
  parked_.notify_all();
}

void ThreadPool::run(std::size_t tasks, const Work& work) {
  std::unique_lock lock(mutex_);
  work_ = &work;
  tasks_ = unfinished_ = tasks;
  next_ = 0;
  if (tasks > 1 && limit_ > 1) wake_.notify_all();
  take_tasks(lock, 0);
  done_.wait(lock, [&] { return unfinished_ == 0; });
  work_ = nullptr;
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void ThreadPool::serve(std::size_t thread) {
  std::unique_lock lock(mutex_);
  while (!ends_) {
    if (thread >= limit_)
      parked_.wait(lock);
    else if (work_ && next_ < tasks_)
      take_tasks(lock, thread);
    else
      wake_.wait(lock);
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
