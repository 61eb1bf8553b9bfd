// What the scheduler holds between ticks and the steps of a tick; for scheduler.cpp and
// supervision.cpp alone. What is here may be lost at a restart: all else is in the database and in
// the run directories.
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/core_budget.h"
#include "scheduler/record_intake.h"
#include "scheduler/retry_policy.h"
#include "scheduler/run_directory.h"
#include "scheduler/scheduler.h"
#include "storage/jobs.h"
#include "storage/records.h"
#include "trainer/contract/order.h"

namespace graft {

// How many threads a run has and may be given.
struct RunThreads {
  ThreadRange range;
  int now = 0;  // as its directory says; 0: it has none yet
};

// What this daemon did to a run so far; all times are monotonic.
struct Supervision {
  bool launched = false;              // by this daemon
  bool begun = false;                 // its worker has said so
  bool launch_due = false;            // claimed by this daemon and not launched yet
  std::optional<RunThreads> threads;  // nullopt: not looked at yet
  std::int64_t not_before = 0;        // nothing is tried before
  std::optional<std::int64_t> first_seen_at;
  std::optional<std::int64_t> failing_since;
  std::optional<std::int64_t> unwanted_since;
  std::optional<std::int64_t> asked_to_stop_at;
  bool ended_at_once = false;
  std::int64_t heard_at = 0;       // when this daemon last saw records_offset move
  std::int64_t heard_offset = -1;  // and to where; -1: never yet
  bool seemed_silent = false;      // at the look before
  bool customers_know = false;     // of the trouble, by an event
};

// A lane whose trial was paused, cancelled or has ended needs no worker.
inline bool is_wanted(const RunLane& lane) {
  return lane.trial.status == TrialStatus::running;
}
inline bool any_wanted(const std::vector<RunLane>& lanes) {
  return std::any_of(lanes.begin(), lanes.end(), is_wanted);
}

// Its worker trains on although the trial is to train no more, or not now.
inline bool has_left(const RunLane& lane) {
  return lane.trial.status == TrialStatus::paused || lane.trial.status == TrialStatus::cancelled ||
         lane.trial.status == TrialStatus::queued;
}
// Trials of several jobs: none of them is to pay for another.
inline bool is_shared(const std::vector<RunLane>& lanes) {
  return std::any_of(lanes.begin(), lanes.end(),
                     [&](const RunLane& lane) { return lane.job.id != lanes.front().job.id; });
}

bool is_disk_full(const std::exception& error);

struct Scheduler::State {
  State(Database& the_database, const BlobStore& the_blobs, Launcher& the_launcher,
        FindBackbone find, SchedulerOptions the_options, RecordIntake the_intake)
      : database(the_database),
        blobs(the_blobs),
        launcher(the_launcher),
        find_backbone(std::move(find)),
        options(std::move(the_options)),
        intake(std::move(the_intake)) {}

  Database& database;
  const BlobStore& blobs;
  Launcher& launcher;
  FindBackbone find_backbone;
  SchedulerOptions options;
  RecordIntake intake;
  std::map<std::string, Supervision> supervised;
  std::map<std::string, std::int64_t> complaints;  // when last said
  std::int64_t monotonic = 0;                      // of this tick
  std::int64_t last_tick = 0;                      // of the one before; 0: none yet
  std::int64_t swept_at = 0;
  std::string looked_at;  // the last new job of the tick before; empty: it came to the end

  // What keeps the machine from training.
  MachineState machine;
  int failed_probes = 0;
  std::int64_t probe_at = 0;  // monotonic
  std::string probe;          // the run that tries whether the trouble is over
  bool no_room = false;       // at the last look at the disk
  std::int64_t runs_begun = 0;
  // Trials whose worker died before it began, and how many runs had begun by then.
  std::map<std::string, std::int64_t> died_before_beginning;

  RunDirectory directory_of(const Run& run) const {
    return RunDirectory(options.runs_directory, run.id);
  }

  // ---- runs ----
  void supervise(Run& run, std::int64_t now);
  void supervise_worker(Run& run, Supervision& supervision, std::int64_t now);
  void stop_unwanted(const Run& run, const std::vector<RunLane>& lanes, Supervision& supervision);
  void end_silent(const Run& run, Supervision& supervision, std::int64_t now);
  void settle(const Run& run, const WorkerState& state, bool ever_started, std::int64_t now);
  void settle_company(const Run& run, const std::vector<RunLane>& lanes, std::int64_t now);
  std::optional<JobError> failure_told(const Run& run, const RunLane& lane);
  void settle_lane(const Run& run, const RunLane& lane, WorkerEnd end, const std::string& what,
                   std::int64_t now);
  void settle_failure(const RunLane& lane, const JobError& error, const std::string& what,
                      std::int64_t now);
  void note_machine_fault(const Run& run, WorkerEnd end, const std::string& what, bool blamed,
                          std::int64_t now);
  void fail(const RunLane& lane, const JobError& error, std::int64_t now);
  void requeue(const RunLane& lane, const TrialReturn& why, std::int64_t now);
  void close_run(const Run& run, std::string_view outcome, std::int64_t now);
  void meet_trouble(const Run& run, Supervision& supervision, const std::exception& error,
                    std::int64_t now);
  void return_all(const Run& run, const TrialReturn& why, std::int64_t now);
  void tell_customers(const Run& run, const std::string& message, std::int64_t now);

  // ---- jobs ----
  void admit_new(std::int64_t now);
  void admit(const Job& job, std::int64_t now);
  std::vector<Run> claim_queued(std::int64_t now);
  void launch(const Run& run, Supervision& supervision, std::int64_t now);
  Order build_order(const Run& run, const std::vector<RunLane>& lanes);

  // ---- the machine (machine_trouble.cpp) ----
  void machine_fails(const std::string& code, const std::string& reason, std::int64_t now);
  void machine_works();
  void watch_disk(std::int64_t now);
  bool may_claim(const std::vector<Run>& active) const;
  bool is_to_blame(const std::string& trial_id);

  // ---- bytes that nothing needs (sweeping.cpp) ----
  void sweep(std::int64_t now, bool at_start);

  // ---- cores (core_sharing.cpp) ----
  RunThreads& threads_of(const Run& run);
  bool has_core_for_another(const std::vector<Run>& active);
  void share_cores();

  // Throws StorageError, disk_full set, where a worker would soon run out of room.
  void require_room() const;
  bool has_room() const;
  void complain(const std::string& what);
};

}  // namespace graft
