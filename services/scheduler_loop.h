// The scheduler's own thread: ticks five times a second, or at once when something changed. Keeps
// the prediction worker alive too. What a tick throws is logged, and the next tick tries again.
#pragma once

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "scheduler/process_launcher.h"
#include "scheduler/scheduler.h"
#include "scheduler/serve_process.h"
#include "storage/blob_store.h"

namespace graft {

class SchedulerLoop {
 public:
  struct Options {
    std::filesystem::path database;
    SchedulerOptions scheduler;
    ProcessLauncherOptions launcher;
    ServeProcessOptions serve;
  };
  // Starts the thread and returns when it has tidied up after an earlier daemon: that sweeps files
  // without a row, so no request may be answered before. `blobs` must outlive the loop.
  SchedulerLoop(Options options, const BlobStore& blobs, FindBackbone find_backbone);
  ~SchedulerLoop();  // stops

  void poke();  // any thread
  // The prediction worker has answered nobody since then: it is replaced. Any thread.
  void report_silence(std::chrono::steady_clock::time_point since);
  MachineState machine() const;  // any thread; as the last tick left it
  // Ends the thread after its tick and the prediction worker with it; trainings go on. Idempotent.
  void stop();

 private:
  void run();
  bool wait_for_turn();
  void tell_tidied();
  void keep_machine(MachineState state);

  const Options options_;
  const BlobStore& blobs_;
  const FindBackbone find_backbone_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  MachineState machine_;
  ServeProcess serve_;  // of the thread, but for reports
  bool poked_ = false, stopping_ = false, tidied_ = false;
  std::thread thread_;
};

}  // namespace graft
