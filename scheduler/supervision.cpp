// Runs that are under way: what their workers report, how they end, what then becomes of their
// jobs.
#include <spdlog/spdlog.h>

#include <filesystem>
#include <functional>
#include <system_error>
#include <variant>

#include "scheduler/checkpoint_keeping.h"
#include "scheduler/scheduler_state.h"
#include "storage/events.h"
#include "storage/jobs.h"
#include "storage/runs.h"
#include "trainer/durable/descriptor.h"

namespace graft {
namespace {

// Seconds.
constexpr std::int64_t orphan_grace = 10;  // from launch to lock, for an earlier daemon's worker
constexpr std::int64_t pause_after_error = 5;  // before a run is looked at again
constexpr std::int64_t patience = 600;         // with a run whose records cannot be taken in
constexpr std::int64_t second_look = 10;       // at a worker that seemed silent, before it is ended
constexpr std::int64_t long_tick = 30;         // between two ticks: this daemon itself was stopped

}  // namespace

bool is_disk_full(const std::exception& error) {
  if (const auto* storage = dynamic_cast<const StorageError*>(&error)) return storage->disk_full;
  const auto* system = dynamic_cast<const std::system_error*>(&error);
  return system != nullptr && is_full_disk(system->code());
}

void Scheduler::State::supervise(Run& run, std::int64_t now) {
  Supervision& supervision = supervised[run.id];
  if (!supervision.first_seen_at) supervision.first_seen_at = monotonic;
  if (monotonic < supervision.not_before) return;
  try {
    if (supervision.launch_due) {
      launch(run, supervision, now);
    } else {
      supervise_worker(run, supervision, now);
    }
  } catch (const std::exception& error) {
    meet_trouble(run, supervision, error, now);
  }
}

void Scheduler::State::supervise_worker(Run& run, Supervision& supervision, std::int64_t now) {
  const RunDirectory directory = directory_of(run);
  // In this order: what a worker wrote before its end is there to be read after its end was seen.
  const WorkerState worker = launcher.observe(directory.path());
  const bool all_taken_in = intake.take_in(run, directory, now);
  supervision.failing_since.reset();

  if (run.status == RunStatus::running && !supervision.begun) {
    supervision.begun = true;
    ++runs_begun;
    if (run.id == probe) machine_works();
  }
  if (worker.alive) {
    stop_unwanted(run, list_lanes(database, run.id), supervision);
    end_silent(run, supervision, now);
    return;
  }
  if (!all_taken_in) return;
  const bool ever_started = supervision.launched || run.records_offset > 0;
  if (!ever_started && monotonic < *supervision.first_seen_at + orphan_grace) return;
  settle(run, worker, ever_started, now);
}

// A worker whose trials have all ended ends by itself, and is helped where it does not; one of
// whose trials was cancelled or paused is asked at once, and leaves a checkpoint: the others go on
// from there in a run without it.
void Scheduler::State::stop_unwanted(const Run& run, const std::vector<RunLane>& lanes,
                                     Supervision& supervision) {
  const bool one_has_left = std::any_of(lanes.begin(), lanes.end(), has_left);
  if (any_wanted(lanes) && !one_has_left) return;
  if (!supervision.unwanted_since) supervision.unwanted_since = monotonic;
  const bool ends_by_itself = std::all_of(lanes.begin(), lanes.end(), [](const RunLane& lane) {
    return lane.trial.status == TrialStatus::succeeded || lane.trial.status == TrialStatus::failed;
  });
  const std::int64_t grace = options.stop_grace_seconds;
  const RunDirectory directory = directory_of(run);
  if (!supervision.asked_to_stop_at) {
    if (ends_by_itself && monotonic < *supervision.unwanted_since + grace) return;
    supervision.asked_to_stop_at = monotonic;
    if (!directory.ask_to_cancel()) complain("run " + run.id + ": cannot make its cancel file");
    launcher.stop(directory.path(), false);  // the signal says the same
  } else if (monotonic >= *supervision.asked_to_stop_at + grace) {
    if (!supervision.ended_at_once) spdlog::warn("run {}: its worker does not stop, ended", run.id);
    supervision.ended_at_once = true;
    launcher.stop(directory.path(), true);
  }
}

// Workers report every second or two while they train; only reading very large files takes longer.
void Scheduler::State::end_silent(const Run& run, Supervision& supervision, std::int64_t now) {
  if (run.records_offset != supervision.heard_offset || monotonic - last_tick > long_tick) {
    supervision.heard_offset = run.records_offset;
    supervision.heard_at = monotonic;
    supervision.seemed_silent = false;
  }
  const std::int64_t silent_for = monotonic - supervision.heard_at;
  if (silent_for < options.silence_seconds) return;
  if (!supervision.seemed_silent || silent_for < options.silence_seconds + second_look) {
    supervision.seemed_silent = true;
    return;
  }
  supervision.heard_at = monotonic;
  const std::string silence =
      "the worker reported nothing for " + std::to_string(options.silence_seconds) + " s";
  spdlog::error("run {}: {}, ended", run.id, silence);
  tell_customers(run, "Ended, because " + silence + ".", now);
  launcher.stop(directory_of(run).path(), true);
}

// The worker is gone and said all it had to say: whatever still runs has no result.
void Scheduler::State::settle(const Run& run, const WorkerState& worker, bool ever_started,
                              std::int64_t now) {
  const RunDirectory directory = directory_of(run);
  const std::vector<RunLane> lanes = list_lanes(database, run.id);
  try {
    keep_checkpoint(database, blobs, lanes, directory);
  } catch (const std::exception& error) {
    if (any_wanted(lanes)) throw;
    complain("run " + run.id + ": its checkpoint is lost: " + error.what());
  }
  if (!any_wanted(lanes)) {
    close_run(run, lanes.empty() ? "no lanes" : to_string(lanes.front().trial.status), now);
    return;
  }
  if (std::any_of(lanes.begin(), lanes.end(), has_left)) {
    settle_company(run, lanes, now);
    return;
  }
  const std::optional<Record> last = read_last_record(directory.records());
  const auto* finished = last ? std::get_if<RunFinished>(&last->body) : nullptr;
  const WorkerEnd end = classify_end(worker, finished != nullptr && finished->cancelled, has_room(),
                                     run.status == RunStatus::running);
  const std::string what = describe_end(worker, end, ever_started);
  const std::string log = directory.log_ending();
  spdlog::error("run {}: {}; its log ends with: {}", run.id, what, log.empty() ? "(nothing)" : log);
  bool blamed = false;
  for (const RunLane& lane : lanes) {
    if (!is_wanted(lane)) continue;
    const bool own = end == WorkerEnd::never_began && is_to_blame(lane.trial.id);
    blamed |= own;
    settle_lane(run, lane, own ? WorkerEnd::own_fault : end, what, now);
  }
  note_machine_fault(run, end, what, blamed, now);
  close_run(run, what, now);
}

// The worker was stopped because a trial left: the others come back at once, with nothing used up
// and nothing told, but for what the worker said of one of them.
void Scheduler::State::settle_company(const Run& run, const std::vector<RunLane>& lanes,
                                      std::int64_t now) {
  for (const RunLane& lane : lanes) {
    if (!is_wanted(lane)) continue;
    if (const std::optional<JobError> told = failure_told(run, lane)) {
      settle_failure(lane, *told, "", now);
    } else {
      requeue(lane, {.its_own_fault = false, .never_began = true}, now);
    }
  }
  close_run(run, "a trial left it", now);
}

// Whether the end of the run says that no run can do better now; said once, whatever its lanes.
void Scheduler::State::note_machine_fault(const Run& run, WorkerEnd end, const std::string& what,
                                          bool blamed, std::int64_t now) {
  for (const RunLane& lane : list_lanes(database, run.id)) {
    const std::optional<JobError> told = intake.failure_of(run.id, lane.lane);
    if (!told) continue;
    if (fault_of(told->code) == Fault::machine) machine_fails(told->code, told->message, now);
    return;
  }
  if (end == WorkerEnd::disk_full) {
    machine_fails("disk_full", what, now);
  } else if (end == WorkerEnd::never_began && !blamed) {
    machine_fails("worker_not_started", what + " before it began; see --worker-program", now);
  }
}

// What the worker said of the lane, in words for its customer; nullopt: nothing.
std::optional<JobError> Scheduler::State::failure_told(const Run& run, const RunLane& lane) {
  std::optional<JobError> told = intake.failure_of(run.id, lane.lane);
  if (told && told->code == "worker_error") {
    // Whatever was thrown there: it may name this machine's files, so it is for its operator.
    spdlog::error("run {}, job {}: {}", run.id, lane.job.id, told->message);
    told->message =
        "The training worker failed by an error of its own. Please tell the operator of this "
        "service, whose log has it under " +
        run.id + ".";
  }
  return told;
}

void Scheduler::State::settle_lane(const Run& run, const RunLane& lane, WorkerEnd end,
                                   const std::string& what, std::int64_t now) {
  if (const std::optional<JobError> told = failure_told(run, lane)) {
    settle_failure(lane, *told, what, now);
    return;
  }
  switch (end) {
    case WorkerEnd::disk_full:
      settle_failure(lane, {"disk_full", "The service's disk is full.", ""}, what, now);
      return;
    case WorkerEnd::never_began:
      settle_failure(lane, {"worker_not_started", "The training worker does not start.", ""}, what,
                     now);
      return;
    case WorkerEnd::own_fault:
      settle_failure(lane,
                     {"worker_died",
                      "Training did not finish in " + std::to_string(lane.trial.attempts) +
                          " attempts; at last " + what +
                          ". A smaller batch_size or max_length needs less memory; otherwise "
                          "please tell the operator of this service, naming " +
                          run.id + ".",
                      ""},
                     what, now);
      return;
    case WorkerEnd::asked:
    case WorkerEnd::unknown:
      // For nothing that its owner could mend does it fail; what may be bringing the machine down
      // comes back at a slower pace.
      requeue(lane,
              {.reason = what,
               .not_before =
                   lane.trial.attempts > 3 ? now + back_off_seconds(lane.trial.attempts - 3, 0) : 0,
               .its_own_fault = false},
              now);
  }
}

// What is tried again, when, and at whose cost.
void Scheduler::State::settle_failure(const RunLane& lane, const JobError& error,
                                      const std::string& what, std::int64_t now) {
  switch (fault_of(error.code)) {
    case Fault::customer:
      fail(lane, error, now);
      return;
    case Fault::machine:
      requeue(lane,
              {.reason = "the service cannot train at the moment; the job waits and goes on by "
                         "itself",
               // Another one is tried first, should this one be the trouble.
               .not_before = now + probe_pause_seconds(failed_probes + 1) + 1,
               .its_own_fault = false,
               .never_began = true},
              now);
      return;
    case Fault::trial: {
      const int failures = lane.trial.failures + 1;
      if (failures >= options.max_failures) {
        fail(lane, error, now);
        return;
      }
      const std::int64_t pause =
          back_off_seconds(failures, std::hash<std::string>{}(lane.trial.id) + failures);
      const std::string cause = what.empty() || error.code != "worker_died" ? error.message : what;
      requeue(lane,
              {.reason = cause + "; attempt " + std::to_string(failures + 1) + " of " +
                         std::to_string(options.max_failures) + " follows in " +
                         std::to_string(pause) + " s",
               .not_before = now + pause},
              now);
    }
  }
}

void Scheduler::State::fail(const RunLane& lane, const JobError& error, std::int64_t now) {
  if (fail_trial(database, lane.trial.id, error, now))
    spdlog::info("job {} failed: {} ({})", lane.job.id, error.message, error.code);
}

void Scheduler::State::requeue(const RunLane& lane, const TrialReturn& why, std::int64_t now) {
  if (requeue_trial(database, lane.trial.id, why, now))
    spdlog::warn("job {} queued again: {}", lane.job.id,
                 why.reason.empty() ? "its run had to stop for another" : why.reason);
}

// Only after its jobs are settled: a crash in between finds the run active and does nothing twice.
void Scheduler::State::close_run(const Run& run, std::string_view outcome, std::int64_t now) {
  end_run(database, run.id, outcome, now);
  intake.forget(run.id);
  directory_of(run).remove();
  supervised.erase(run.id);
}

// Nothing is lost by trouble: records stay in their file and bundles in the run directory until
// they are taken in.
void Scheduler::State::meet_trouble(const Run& run, Supervision& supervision,
                                    const std::exception& error, std::int64_t now) {
  const bool disk_full = is_disk_full(error);
  complain("run " + run.id + ": " + error.what());
  supervision.not_before = monotonic + pause_after_error;
  if (!supervision.failing_since || disk_full) supervision.failing_since = monotonic;
  try {
    if (!supervision.customers_know && disk_full) {
      tell_customers(
          run, "The service's disk is full; the job waits and goes on as soon as there is room.",
          now);
      supervision.customers_know = true;
    }
    if (monotonic - *supervision.failing_since < patience) return;
    const std::vector<RunLane> lanes = list_lanes(database, run.id);
    try {
      keep_checkpoint(database, blobs, lanes, directory_of(run));
    } catch (const std::exception& lost) {
      complain("run " + run.id + ": its checkpoint is lost: " + lost.what());
    }
    for (const RunLane& lane : lanes) {
      if (!is_wanted(lane)) continue;
      settle_failure(lane,
                     {"worker_error",
                      "The service could not take in what the training worker reported. Please "
                      "tell its operator, naming " +
                          run.id + ".",
                      ""},
                     "", now);
    }
    launcher.stop(directory_of(run).path(), true);
    close_run(run, "its records could not be taken in", now);
  } catch (const std::exception& second) {
    complain("run " + run.id + ": " + second.what());
  }
}

// Back to the queue with all that still runs.
void Scheduler::State::return_all(const Run& run, const TrialReturn& why, std::int64_t now) {
  for (const RunLane& lane : list_lanes(database, run.id)) {
    if (is_wanted(lane)) requeue(lane, why, now);
  }
}

void Scheduler::State::tell_customers(const Run& run, const std::string& message,
                                      std::int64_t now) {
  for (const RunLane& lane : list_lanes(database, run.id)) {
    if (is_wanted(lane)) {
      insert_event(database, {lane.job.id, EventLevel::warn, "message", message, {}}, now);
    }
  }
}

}  // namespace graft
