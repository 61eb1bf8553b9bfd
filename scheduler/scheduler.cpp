// The scheduler's plan: supervise runs, admit new jobs, launch queued ones. What it knows is in the
// database and in the run directories; State holds only what may be lost at a restart (who was
// asked to stop, when to try again). One thread. An exception ends the step for one run or one job,
// never the tick.
#include "scheduler/scheduler.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <map>
#include <system_error>
#include <utility>
#include <variant>

#include "scheduler/file_check.h"
#include "scheduler/order_builder.h"
#include "scheduler/record_intake.h"
#include "scheduler/retry_policy.h"
#include "scheduler/run_directory.h"
#include "storage/events.h"
#include "storage/files.h"
#include "storage/jobs.h"
#include "storage/runs.h"

namespace graft {
namespace {

constexpr std::int64_t orphan_grace = 10;  // from launch to lock, for an earlier daemon's worker
constexpr std::int64_t pause_after_error =
    5;                                  // before a run's records or its launch are tried again
constexpr std::int64_t patience = 600;  // with a run whose records cannot be taken in
constexpr std::int64_t complaint_pause = 60;  // between equal lines in the log
constexpr int most_admissions = 16;           // in one tick: each reads its files

// What a lane's job needs no more, its worker need not finish.
bool is_wanted(const RunLane& lane) {
  return lane.job.status == JobStatus::running;
}

bool is_disk_full(const std::exception& error) {
  if (const auto* storage = dynamic_cast<const StorageError*>(&error)) return storage->disk_full;
  const auto* system = dynamic_cast<const std::system_error*>(&error);
  return system != nullptr && (system->code() == std::errc::no_space_on_device ||
                               system->code() == std::error_code(EDQUOT, std::generic_category()));
}

// What this daemon did to a run so far.
struct Supervision {
  bool launched = false;        // by this daemon
  bool launch_due = false;      // claimed by this daemon and not launched yet
  int failed_launches = 0;      // for reasons other than a full disk
  std::int64_t not_before = 0;  // nothing is tried before
  std::optional<std::int64_t> failing_since;
  std::optional<std::int64_t> unwanted_since;
  std::optional<std::int64_t> asked_to_stop_at;
  bool ended_at_once = false;
  bool customers_know = false;  // of the trouble, by an event
};

}  // namespace

struct Scheduler::State {
  Database& database;
  const BlobStore& blobs;
  Launcher& launcher;
  FindBackbone find_backbone;
  SchedulerOptions options;
  RecordIntake intake;
  std::map<std::string, Supervision> supervised;
  std::map<std::string, std::int64_t> complaints;

  RunDirectory directory_of(const Run& run) const {
    return RunDirectory(options.runs_directory, run.id);
  }

  // ---- runs ----
  void supervise(Run& run, std::int64_t now);
  void supervise_worker(Run& run, Supervision& supervision, std::int64_t now);
  void stop_unwanted(const Run& run, const std::vector<RunLane>& lanes, Supervision& supervision,
                     std::int64_t now);
  void settle(const Run& run, const WorkerState& state, bool ever_started, std::int64_t now);
  void settle_job(const Job& job, WorkerEnd end, const std::string& what, std::int64_t now);
  void close_run(const Run& run, std::string_view outcome, std::int64_t now);
  void meet_trouble(const Run& run, Supervision& supervision, const std::exception& error,
                    std::int64_t now);
  void give_up(const Run& run, const JobError& error, std::int64_t now);
  void tell_customers(const Run& run, const std::string& message, std::int64_t now);

  // ---- jobs ----
  void admit_new(std::int64_t now);
  bool admit(const Job& job, std::int64_t now);
  void launch_queued(std::size_t active_runs, std::int64_t now);
  void launch(const Run& run, Supervision& supervision, std::int64_t now);
  Order build_order(const Run& run, const std::vector<RunLane>& lanes);

  void complain(const std::string& what, std::int64_t now);
};

Scheduler::Scheduler(Database& database, const BlobStore& blobs, Launcher& launcher,
                     FindBackbone find_backbone, SchedulerOptions options)
    : state_(new State{database,
                       blobs,
                       launcher,
                       std::move(find_backbone),
                       std::move(options),
                       RecordIntake(database, blobs),
                       {},
                       {}}) {}

Scheduler::~Scheduler() = default;

void Scheduler::recover(std::int64_t now) {
  State& state = *state_;
  const std::vector<Run> active = list_active_runs(state.database);
  const auto is_active = [&](const std::string& id) {
    return std::any_of(active.begin(), active.end(), [&](const Run& run) { return run.id == id; });
  };
  const int runs = remove_other_runs(state.options.runs_directory, is_active);
  const int blobs = state.blobs.sweep(
      [&](const std::string& sha256) { return is_blob_referenced(state.database, sha256, now); });
  spdlog::info(
      "start: {} runs to take up again, {} old run directories and {} unused blobs removed",
      active.size(), runs, blobs);
}

void Scheduler::tick(std::int64_t now) {
  State& state = *state_;
  try {
    for (Run& run : list_active_runs(state.database)) state.supervise(run, now);
    state.admit_new(now);
    state.launch_queued(list_active_runs(state.database).size(), now);
  } catch (const std::exception& error) {
    state.complain(std::string("the scheduler could not go on and tries again: ") + error.what(),
                   now);
  }
}

// ---- runs ---------------------------------------------------------------------------------------

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
  if (std::any_of(lanes.begin(), lanes.end(), is_wanted)) return;
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

// The worker is gone and said all it had to say: whatever still runs has no result.
void Scheduler::State::settle(const Run& run, const WorkerState& worker, bool ever_started,
                              std::int64_t now) {
  const RunDirectory directory = directory_of(run);
  const std::vector<RunLane> lanes = list_lanes(database, run.id);
  if (std::none_of(lanes.begin(), lanes.end(), is_wanted)) {
    close_run(run, lanes.empty() ? "no lanes" : to_string(lanes.front().job.status), now);
    return;
  }
  const std::optional<Record> last = read_last_record(directory.records());
  const auto* finished = last ? std::get_if<RunFinished>(&last->body) : nullptr;
  const WorkerEnd end = classify_end(worker, finished != nullptr && finished->cancelled);
  const std::string what = describe_end(worker, end, ever_started);
  const std::string log = directory.log_ending();
  spdlog::error("run {}: {}; its log ends with: {}", run.id, what, log.empty() ? "(nothing)" : log);
  const bool log_explains = end == WorkerEnd::own_fault && !log.empty();
  for (const RunLane& lane : lanes) {
    if (!is_wanted(lane)) continue;
    settle_job(lane.job, end, log_explains ? what + " (its log ends with: " + log + ")" : what,
               now);
  }
  close_run(run, what, now);
}

void Scheduler::State::settle_job(const Job& job, WorkerEnd end, const std::string& what,
                                  std::int64_t now) {
  const std::string attempts = std::to_string(options.max_attempts);
  if (may_retry(end, job.attempts, options.max_attempts)) {
    const bool counted = end == WorkerEnd::own_fault;
    const std::string next = std::to_string(job.attempts + 1) + " of " + attempts;
    requeue_job(database, job.id, counted ? what + "; attempt " + next + " follows" : what, now);
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

// ---- jobs ---------------------------------------------------------------------------------------

void Scheduler::State::admit_new(std::int64_t now) {
  int admitted = 0;
  for (const Job& job : list_validating_jobs(database)) {
    if (admit(job, now) && ++admitted == most_admissions) return;
  }
}

// False: it could not be checked now.
bool Scheduler::State::admit(const Job& job, std::int64_t now) {
  try {
    if (const std::optional<JobError> error = check_files(database, blobs, job)) {
      fail_job(database, job.id, *error, now);
    } else {
      enqueue_job(database, job.id, now);
    }
    return true;
  } catch (const std::exception& error) {
    complain("job " + job.id + " cannot be checked yet: " + error.what(), now);
    return false;
  }
}

void Scheduler::State::launch_queued(std::size_t active_runs, std::int64_t now) {
  for (auto free = static_cast<std::size_t>(std::max(options.workers, 0)); free > active_runs;
       ++active_runs) {
    std::optional<Run> run = claim_next_job(database, now);
    if (!run) return;
    supervised[run->id].launch_due = true;
    supervise(*run, now);
  }
}

void Scheduler::State::launch(const Run& run, Supervision& supervision, std::int64_t now) {
  const std::vector<RunLane> lanes = list_lanes(database, run.id);
  if (std::none_of(lanes.begin(), lanes.end(), is_wanted)) {
    close_run(run, "not wanted before it was launched", now);
    return;
  }
  Order order;
  try {
    order = build_order(run, lanes);
  } catch (const JobRefused& refused) {
    give_up(run, refused.error(), now);
    close_run(run, refused.error().code, now);
    return;
  }
  try {
    const RunDirectory directory = directory_of(run);
    directory.write_order(order);
    launcher.launch(directory.path(), options.worker_threads);
  } catch (const std::exception& error) {
    if (is_disk_full(error)) throw;
    if (++supervision.failed_launches < options.max_attempts) {
      if (supervision.failed_launches == 1) {
        tell_customers(run, "The training worker could not be started; trying again.", now);
      }
      throw;
    }
    complain("run " + run.id + ": " + error.what(), now);
    give_up(run,
            {"worker_not_started",
             "The training worker could not be started in " + std::to_string(options.max_attempts) +
                 " attempts. Please tell the operator of this service.",
             ""},
            now);
    close_run(run, "worker_not_started", now);
    return;
  }
  supervision.launched = true;
  supervision.launch_due = false;
  spdlog::info("run {} launched, job {}", run.id, lanes.front().job.id);
}

// Throws JobRefused where the job can never be trained as it is.
Order Scheduler::State::build_order(const Run& run, const std::vector<RunLane>& lanes) {
  const Job& job = lanes.front().job;
  const std::optional<BackboneLocation> backbone = find_backbone(job.model);
  if (!backbone) {
    throw JobRefused("backbone_missing",
                     "The backbone \"" + job.model +
                         "\" is not configured on this service any more. " +
                         "GET /v1/models lists those that are.",
                     "model");
  }
  if (!job.backbone_sha256.empty() && backbone->sha256 != job.backbone_sha256) {
    throw JobRefused("backbone_mismatch",
                     "The backbone \"" + job.model + "\" is another one now (" + backbone->sha256 +
                         ") than when the job was created (" + job.backbone_sha256 +
                         "). Create the job again to train on the present one.",
                     "model");
  }
  Order order;
  order.run_id = run.id;
  order.backbone_name = job.model;
  order.backbone_directory = std::filesystem::absolute(backbone->directory).string();
  order.backbone_sha256 = backbone->sha256;
  order.program_version = options.program_version;
  order.threads = options.worker_threads;
  order.device = options.device;
  order.lanes = build_lanes(database, blobs, lanes);
  return order;
}

// Into the log, but the same trouble not at every tick.
void Scheduler::State::complain(const std::string& what, std::int64_t now) {
  const auto known = complaints.find(what);
  if (known != complaints.end() && now < known->second + complaint_pause) return;
  if (complaints.size() > 100) complaints.clear();
  complaints[what] = now;
  spdlog::error("{}", what);
}

}  // namespace graft
