// One loop, one database connection, one launcher, all on the thread that uses them.
#include "services/scheduler_loop.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <ctime>
#include <string>

namespace graft {
namespace {

constexpr std::chrono::milliseconds tick_interval(200);

std::int64_t monotonic_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Does `work`; logs what it throws, a repeated message once a minute. True: it went well.
class Guarded {
 public:
  template <class Work>
  bool operator()(const char* what, Work work) {
    try {
      work();
      last_message_.clear();
      return true;
    } catch (const std::exception& error) {
      const auto now = std::chrono::steady_clock::now();
      if (error.what() == last_message_ && now - logged_at_ < std::chrono::minutes(1)) return false;
      last_message_ = error.what();
      logged_at_ = now;
      spdlog::error("{}: {}", what, error.what());
      return false;
    }
  }

 private:
  std::string last_message_;
  std::chrono::steady_clock::time_point logged_at_;
};

}  // namespace

SchedulerLoop::SchedulerLoop(Options options, const BlobStore& blobs, FindBackbone find_backbone)
    : options_(std::move(options)),
      blobs_(blobs),
      find_backbone_(std::move(find_backbone)),
      serve_(options_.serve),
      thread_([this] { run(); }) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return tidied_; });
}

SchedulerLoop::~SchedulerLoop() {
  stop();
}

void SchedulerLoop::poke() {
  const std::lock_guard lock(mutex_);
  poked_ = true;
  changed_.notify_one();
}

void SchedulerLoop::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

// False: no further turn.
bool SchedulerLoop::wait_for_turn() {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, tick_interval, [this] { return poked_ || stopping_; });
  poked_ = false;
  return !stopping_;
}

void SchedulerLoop::keep_machine(MachineState state) {
  const std::lock_guard lock(mutex_);
  machine_ = std::move(state);
}

MachineState SchedulerLoop::machine() const {
  const std::lock_guard lock(mutex_);
  return machine_;
}

void SchedulerLoop::report_silence(std::chrono::steady_clock::time_point since) {
  serve_.report_silence(since);
}

void SchedulerLoop::tell_tidied() {
  const std::lock_guard lock(mutex_);
  tidied_ = true;
  changed_.notify_one();
}

void SchedulerLoop::run() {
  ProcessLauncher launcher(options_.launcher);
  std::optional<Database> database;
  std::optional<Scheduler> scheduler;
  bool tidied = false;
  Guarded guarded;
  do {
    serve_.tick(monotonic_seconds());
    guarded("scheduler", [&] {
      const Moment now{std::time(nullptr), monotonic_seconds()};
      if (!database) database.emplace(Database::open(options_.database));
      if (!scheduler) {
        scheduler.emplace(*database, blobs_, launcher, find_backbone_, options_.scheduler);
      }
      // Once, whatever comes of it: later it would meet uploads on their way.
      if (!tidied) scheduler->recover(now);
      scheduler->tick(now);
      keep_machine(scheduler->machine());
    });
    tidied = true;
    tell_tidied();
  } while (wait_for_turn());
  serve_.stop();
}

}  // namespace graft
