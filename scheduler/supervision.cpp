// Runs that are under way: what their workers report, how they end, what then becomes of their
// jobs.
#include <spdlog/spdlog.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <system_error>
#include <variant>

#include "scheduler/scheduler_state.h"
#include "storage/events.h"
#include "storage/jobs.h"
#include "storage/runs.h"

namespace graft {
namespace {

// Seconds.
constexpr std::int64_t orphan_grace = 10;  // from launch to lock, for an earlier daemon's worker
constexpr std::int64_t pause_after_error = 5;  // before a run is looked at again
constexpr std::int64_t patience = 600;         // with a run whose records cannot be taken in

}  // namespace

bool is_disk_full(const std::exception& error) {
  if (const auto* storage = dynamic_cast<const StorageError*>(&error)) return storage->disk_full;
  const auto* system = dynamic_cast<const std::system_error*>(&error);
  return system != nullptr && (system->code() == std::errc::no_space_on_device ||
                               system->code() == std::error_code(EDQUOT, std::generic_category()));
}

void Scheduler::State::supervise(Run& run, std::int64_t now) {
  Supervision& supervision = supervised[run.id];
  if (now < supervision.not_before) return;
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

  if (worker.alive) {
    stop_unwanted(run, list_lanes(database, run.id), supervision, now);
    end_silent(run, supervision, now);
    return;
  }
  if (!all_taken_in) return;
  const bool ever_started = supervision.launched || run.records_offset > 0;
  if (!ever_started && now < run.launched_at + orphan_grace) return;
  settle(run, worker, ever_started, now);
}

// A worker whose jobs are all final ends by itself, and is helped where it does not; one whose job
// was cancelled is asked at once.
void Scheduler::State::stop_unwanted(const Run& run, const std::vector<RunLane>& lanes,
                                     Supervision& supervision, std::int64_t now) {
  if (any_wanted(lanes)) return;
  if (!supervision.unwanted_since) supervision.unwanted_since = now;
  const bool cancelled = std::any_of(lanes.begin(), lanes.end(), [](const RunLane& lane) {
    return lane.job.status == JobStatus::cancelled;
  });
  const std::int64_t grace = options.stop_grace_seconds;
  const RunDirectory directory = directory_of(run);
  if (!supervision.asked_to_stop_at) {
    if (!cancelled && now < *supervision.unwanted_since + grace) return;
    supervision.asked_to_stop_at = now;
    if (!directory.ask_to_cancel())
      complain("run " + run.id + ": cannot make its cancel file", now);
    launcher.stop(directory.path(), false);  // the signal says the same
  } else if (now >= *supervision.asked_to_stop_at + grace) {
    if (!supervision.ended_at_once) spdlog::warn("run {}: its worker does not stop, ended", run.id);
    supervision.ended_at_once = true;
    launcher.stop(directory.path(), true);
  }
}

// Workers report every second or two while they train; only reading very large files takes longer.
void Scheduler::State::end_silent(const Run& run, Supervision& supervision, std::int64_t now) {
  if (run.records_offset != supervision.heard_offset) {
    supervision.heard_offset = run.records_offset;
    supervision.heard_at = now;
  }
  if (now - supervision.heard_at < options.silence_seconds) return;
  supervision.heard_at = now;
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
  if (!any_wanted(lanes)) {
    close_run(run, lanes.empty() ? "no lanes" : to_string(lanes.front().job.status), now);
    return;
  }
  const std::optional<Record> last = read_last_record(directory.records());
  const auto* finished = last ? std::get_if<RunFinished>(&last->body) : nullptr;
  const WorkerEnd end =
      classify_end(worker, finished != nullptr && finished->cancelled, has_room());
  const std::string what = describe_end(worker, end, ever_started);
  const std::string log = directory.log_ending();
  spdlog::error("run {}: {}; its log ends with: {}", run.id, what, log.empty() ? "(nothing)" : log);
  // SIGKILL comes from outside, mostly for want of memory: the log does not know of it.
  const bool log_explains = end == WorkerEnd::own_fault && worker.signal != SIGKILL && !log.empty();
  for (const RunLane& lane : lanes) {
    if (!is_wanted(lane)) continue;
    settle_job(lane, end, log_explains ? what + " (its log ends with: " + log + ")" : what,
               now);
  }
  close_run(run, what, now);
}

void Scheduler::State::settle_job(const RunLane& lane, WorkerEnd end, const std::string& what,
                                  std::int64_t now) {
  const Job& job = lane.job;
  const std::string attempts = std::to_string(options.max_attempts);
  if (may_retry(end, job.attempts, options.max_attempts)) {
    const bool counted = end == WorkerEnd::own_fault;
    const std::string next = std::to_string(job.attempts + 1) + " of " + attempts;
    requeue_trial(database, lane.trial.id,
                  {.reason = counted ? what + "; attempt " + next + " follows" : what,
                   .its_own_fault = counted},
                  now);
    return;
  }
  if (end == WorkerEnd::disk_full) {
    fail_job(
        database, job.id,
        {"disk_full",
         "There was no room on the service's disk for the adapter in " +
             std::to_string(job.attempts) + " attempts. Please tell the operator of this service.",
         ""},
        now);
    return;
  }
  fail_job(database, job.id,
           {"worker_died",
            "Training did not finish in " + std::to_string(job.attempts) + " attempts; at last " +
                what + ". A smaller batch_size or max_length needs less memory; otherwise please " +
                "tell the operator of this service.",
            ""},
           now);
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
  complain("run " + run.id + ": " + error.what(), now);
  supervision.not_before = now + pause_after_error;
  if (!supervision.failing_since || disk_full) supervision.failing_since = now;
  try {
    if (!supervision.customers_know && disk_full) {
      tell_customers(
          run, "The service's disk is full; the job waits and goes on as soon as there is room.",
          now);
      supervision.customers_know = true;
    }
    if (now - *supervision.failing_since < patience) return;
    give_up(run,
            {"internal_error",
             "The service could not take in what the training worker reported. Please tell its "
             "operator, naming the job's id.",
             ""},
            now);
    launcher.stop(directory_of(run).path(), true);
    close_run(run, "its records could not be taken in", now);
  } catch (const std::exception& second) {
    complain("run " + run.id + ": " + second.what(), now);
  }
}

// Fails what still runs.
void Scheduler::State::give_up(const Run& run, const JobError& error, std::int64_t now) {
  for (const RunLane& lane : list_lanes(database, run.id)) {
    if (is_wanted(lane)) fail_job(database, lane.job.id, error, now);
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
