// The scheduler's plan: supervise runs (supervision.cpp), admit new jobs, launch queued ones.
// One thread. An exception ends the step for one run or one job, never the tick.
#include "scheduler/scheduler.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <system_error>
#include <utility>

#include "scheduler/checkpoint_keeping.h"
#include "scheduler/file_check.h"
#include "scheduler/order_builder.h"
#include "scheduler/scheduler_state.h"
#include "storage/events.h"
#include "storage/files.h"
#include "storage/jobs.h"
#include "storage/runs.h"

namespace graft {
namespace {

constexpr std::int64_t complaint_pause = 60;  // between equal lines in the log
constexpr std::int64_t refused_pause = 300;   // of a trial whose backbone is not configured
constexpr std::size_t most_admissions = 16;   // in one tick: each reads its files

}  // namespace

Scheduler::Scheduler(Database& database, const BlobStore& blobs, Launcher& launcher,
                     FindBackbone find_backbone, SchedulerOptions options)
    : state_(new State(database, blobs, launcher, std::move(find_backbone), std::move(options),
                       RecordIntake(database, blobs))) {}

Scheduler::~Scheduler() = default;

void Scheduler::recover(Moment now) {
  state_->monotonic = now.monotonic;
  state_->sweep(now.wall, true);
}

void Scheduler::tick(Moment now) {
  State& state = *state_;
  state.monotonic = now.monotonic;
  try {
    for (Run& run : list_active_runs(state.database)) state.supervise(run, now.wall);
    state.admit_new(now.wall);
    state.watch_disk(now.wall);
    std::vector<Run> claimed = state.claim_queued(now.wall);
    state.share_cores();  // before the new ones start: those that run make room
    for (Run& run : claimed) state.supervise(run, now.wall);
    if (now.monotonic - state.swept_at >= state.options.sweep_seconds) state.sweep(now.wall, false);
    thin_events(state.database);
    give_out_checkpoints(state.database, state.blobs, now.wall);
  } catch (const std::exception& error) {
    state.complain(std::string("the scheduler could not go on and tries again: ") + error.what());
  }
  state.last_tick = now.monotonic;
}

MachineState Scheduler::machine() const {
  return state_->machine;
}

// ---- jobs ---------------------------------------------------------------------------------------

void Scheduler::State::admit_new(std::int64_t now) {
  // Those that cannot be checked now must not keep the ones behind them from it.
  const std::vector<Job> jobs = list_validating_jobs(database, most_admissions, looked_at);
  looked_at = jobs.size() == most_admissions ? jobs.back().id : "";
  for (const Job& job : jobs) admit(job, now);
}

void Scheduler::State::admit(const Job& job, std::int64_t now) {
  try {
    if (const std::optional<JobError> error = check_files(database, blobs, job)) {
      if (fail_job(database, job.id, *error, now))
        spdlog::info("job {} failed: {} ({})", job.id, error->message, error->code);
    } else if (enqueue_job(database, job.id, now)) {
      spdlog::info("job {} queued", job.id);
    }
  } catch (const std::exception& error) {
    complain("job " + job.id + " cannot be checked yet: " + error.what());
  }
}

// As many as there are workers and cores for; to be launched.
std::vector<Run> Scheduler::State::claim_queued(std::int64_t now) {
  std::vector<Run> claimed;
  std::vector<Run> active = list_active_runs(database);
  while (active.size() < static_cast<std::size_t>(std::max(options.workers, 1)) &&
         has_core_for_another(active) && may_claim(active)) {
    std::optional<Run> run = claim_next_job(
        database, now,
        {.quiet = machine.paused, .most_jobs = machine.paused ? 1 : options.jobs_per_run});
    if (!run) {
      // Nobody is left who could try, and there is room.
      if (machine.paused && !any_trial_waits(database)) machine_works();
      break;
    }
    supervised[run->id].launch_due = true;
    if (machine.paused) probe = run->id;
    active.push_back(*run);
    claimed.push_back(*std::move(run));
  }
  return claimed;
}

void Scheduler::State::launch(const Run& run, Supervision& supervision, std::int64_t now) {
  const std::vector<RunLane> lanes = list_lanes(database, run.id);
  if (!any_wanted(lanes)) {
    close_run(run, "not wanted before it was launched", now);
    return;
  }
  Order order;
  try {
    order = build_order(run, lanes);
  } catch (const JobRefused& refused) {
    const JobError& error = refused.error();
    if (refused.lane()) {
      // The others are claimed again at once, without it.
      fail(lanes[*refused.lane()], error, now);
      return_all(run, {.its_own_fault = false, .never_began = true}, now);
    } else if (error.code == "backbone_missing") {
      // A backbone that is not configured any more keeps its own jobs waiting, nobody else's.
      return_all(run,
                 {.reason = error.message + " The job waits for it.",
                  .not_before = now + refused_pause,
                  .its_own_fault = false,
                  .never_began = true},
                 now);
    } else {
      for (const RunLane& lane : lanes) fail(lane, error, now);
    }
    close_run(run, error.code, now);
    return;
  }
  try {
    require_room();
    const RunDirectory directory = directory_of(run);
    directory.write_order(order);
    directory.write_threads(std::max(threads_of(run).now, 1));
    for (const RunLane& lane : lanes) hand_over_checkpoint(blobs, lane, directory);
    launcher.launch(directory.path());
  } catch (const std::exception& error) {
    const bool full = is_disk_full(error);
    machine_fails(full ? "disk_full" : "worker_not_started", error.what(), now);
    return_all(run,
               {.reason = full ? "the service's disk is full; training begins once there is room"
                               : "the training worker could not be started; it is tried again",
                .its_own_fault = false,
                .never_began = true},
               now);
    close_run(run, full ? "disk_full" : "worker_not_started", now);
    return;
  }
  supervision.launched = true;
  supervision.launch_due = false;
  supervision.heard_at = monotonic;
  for (const RunLane& lane : lanes)
    spdlog::info("job {} running: run {}, attempt {}, threads: {}", lane.job.id, run.id,
                 lane.trial.attempts, threads_of(run).now);
}

// Throws JobRefused where its jobs, which are all on one backbone, or one lane of them cannot be
// trained as they are.
Order Scheduler::State::build_order(const Run& run, const std::vector<RunLane>& lanes) {
  const Job& job = lanes.front().job;
  const std::optional<BackboneLocation> backbone = find_backbone(job.model);
  if (!backbone) {
    throw JobRefused({"backbone_missing",
                      "The backbone \"" + job.model +
                          "\" is not configured on this service any more. " +
                          "GET /v1/models lists those that are.",
                      "model"});
  }
  if (!job.backbone_sha256.empty() && backbone->sha256 != job.backbone_sha256) {
    throw JobRefused({"backbone_mismatch",
                      "The backbone \"" + job.model + "\" is another one now (" + backbone->sha256 +
                          ") than when the job was created (" + job.backbone_sha256 +
                          "). Create the job again to train on the present one.",
                      "model"});
  }
  Order order;
  order.run_id = run.id;
  order.backbone_name = job.model;
  order.backbone_directory = std::filesystem::absolute(backbone->directory).string();
  order.backbone_sha256 = backbone->sha256;
  order.program_version = options.program_version;
  order.threads = std::clamp(options.worker_threads, 1, std::max(options.cores, 1));
  order.device = options.device;
  order.precision = options.precision;
  if (!options.cache_directory.empty())
    order.cache_directory = std::filesystem::absolute(options.cache_directory).string();
  order.lanes = build_lanes(database, blobs, lanes);
  return order;
}

bool Scheduler::State::has_room() const {
  std::error_code error;
  const auto space = std::filesystem::space(options.runs_directory, error);
  return error || space.available >= static_cast<std::uintmax_t>(options.free_bytes_to_launch);
}

void Scheduler::State::require_room() const {
  if (!has_room()) {
    throw StorageError("less than " + std::to_string(options.free_bytes_to_launch >> 20) +
                           " MiB are free under " + options.runs_directory.string(),
                       true);
  }
}

// Into the log, but the same trouble not at every tick.
void Scheduler::State::complain(const std::string& what) {
  const auto known = complaints.find(what);
  if (known != complaints.end() && monotonic < known->second + complaint_pause) return;
  if (complaints.size() > 100) complaints.clear();
  complaints[what] = monotonic;
  spdlog::error("{}", what);
}

}  // namespace graft
