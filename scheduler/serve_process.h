// Keeps one `graft-worker serve` child alive: starts it, starts it again with growing pauses when
// it ends or hangs, stops it at shutdown. tick and stop belong to one thread, and the child ends
// with that thread; ready and report_silence are for any.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>

namespace graft {

struct ServeProcessOptions {
  std::filesystem::path worker_program;
  std::filesystem::path socket;  // where it listens
  std::filesystem::path log;     // its stdout and stderr
  int threads = 1;
  int stop_grace_seconds = 3;  // between SIGTERM and SIGKILL
};

class ServeProcess {
 public:
  explicit ServeProcess(ServeProcessOptions options);
  ~ServeProcess();  // stops
  ServeProcess(const ServeProcess&) = delete;
  ServeProcess& operator=(const ServeProcess&) = delete;

  // Starts the child where it is due, notices its end. `now` in seconds of a clock that is never
  // set. Does not throw.
  void tick(std::int64_t now);
  // Whether the child lives and has made its socket.
  bool ready() const { return ready_.load(std::memory_order_relaxed); }
  // The child has answered nobody since then: unless it is a later one, it is looked at twice and
  // killed where it does not even compute; one that does may have got much to do.
  void report_silence(std::chrono::steady_clock::time_point since);
  // Waits for the child's end, up to the grace, then ends it. Nothing is started afterwards.
  void stop();
  // 0 where there is none now.
  pid_t pid() const { return pid_; }

 private:
  void start(std::int64_t now);
  void plan_restart(std::int64_t now);
  void look_at_silence(std::int64_t now);

  ServeProcessOptions options_;
  pid_t pid_ = 0;
  bool stopped_ = false;
  int failures_ = 0;  // ends in a row soon after a start
  std::int64_t started_at_ = 0;
  std::int64_t start_due_ = 0;
  std::atomic<bool> ready_{false};
  std::chrono::steady_clock::time_point born_;
  std::atomic<std::chrono::steady_clock::time_point> silent_since_{};  // the epoch: not reported
  // Since the first look at a silence: when, and what it had computed until then.
  struct Suspicion {
    std::int64_t at = 0;
    std::int64_t computed = 0;
  };
  std::optional<Suspicion> suspicion_;
  int excused_ = 0;  // silences in a row in which it computed
};

}  // namespace graft
