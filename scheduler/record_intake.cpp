// Records to rows; see the header. A record of a lane whose job is no longer running changes
// nothing.
#include "scheduler/record_intake.h"

#include <spdlog/spdlog.h>

#include <cmath>
#include <cstdio>
#include <string_view>
#include <variant>

#include "scheduler/publishing.h"
#include "scheduler/retry_policy.h"
#include "storage/events.h"
#include "storage/jobs.h"
#include "storage/runs.h"
#include "trainer/contract/metrics_event.h"

namespace graft {

struct RecordIntake::Batch {
  Run& run;
  const RunDirectory& directory;
  UnixTime now;
  std::vector<RunLane> lanes;
  const std::vector<TailedRecord>& records;

  static bool is_running(const RunLane& lane) { return lane.trial.status == TrialStatus::running; }

  // nullptr: no such lane.
  const RunLane* lane(int number) const {
    for (const RunLane& lane : lanes) {
      if (lane.lane == number) return &lane;
    }
    return nullptr;
  }

  // nullptr: no such lane, or its trial has ended. One that is paused, or queued again, while its
  // worker still ends is open: what was learned until then counts, because the checkpoint that goes
  // on from there holds it.
  const RunLane* open_lane(int number) const {
    for (const RunLane& lane : lanes) {
      if (lane.lane != number) continue;
      const TrialStatus status = lane.trial.status;
      const bool open = status == TrialStatus::running || status == TrialStatus::paused ||
                        status == TrialStatus::queued;
      return open ? &lane : nullptr;
    }
    spdlog::warn("run {}: a record of lane {}, which it does not have", run.id, number);
    return nullptr;
  }
};

namespace {

constexpr std::size_t longest_message = 4000;  // bytes

// Records whose effect is a transaction of its own.
bool decides(const RecordBody& body) {
  return std::holds_alternative<LaneFinished>(body) || std::holds_alternative<LaneFailed>(body) ||
         std::holds_alternative<RunFailed>(body);
}

std::string shortened(std::string message) {
  if (message.size() <= longest_message) return message;
  std::size_t end = longest_message;
  while (end > 0 && (static_cast<unsigned char>(message[end]) & 0xc0) == 0x80) --end;
  message.resize(end);
  return message + " …";
}

std::string fixed(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

std::string plural(std::int64_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

EventLevel level_of(std::string_view level) {
  if (level == "warn") return EventLevel::warn;
  if (level == "error") return EventLevel::error;
  return EventLevel::info;
}

JobError error_of(const std::string& code, const std::string& message, const std::string& param) {
  return {code.empty() ? "training_failed" : code,
          message.empty() ? "Training failed; the worker gave no reason." : shortened(message),
          param};
}

bool all_finite(std::initializer_list<double> values) {
  for (const double value : values) {
    if (!std::isfinite(value)) return false;
  }
  return true;
}

// What validation said of an epoch; where there is none the last epoch is kept, not the best.
}  // namespace

bool RecordIntake::take_in(Run& run, const RunDirectory& directory, UnixTime now) {
  const Tail tail = read_records(directory.records(), run.records_offset);
  for (const std::string& problem : tail.malformed) {
    spdlog::warn("run {}: not a record, skipped: {}", run.id, problem);
  }
  if (tail.offset == run.records_offset) return tail.exhausted;

  Batch batch{run, directory, now, list_lanes(database_, run.id), tail.records};
  std::size_t begin = 0;
  while (begin < tail.records.size()) {
    std::size_t end = begin;
    while (end < tail.records.size() && !decides(tail.records[end].record.body)) ++end;
    if (end == begin) {
      take_decision(batch, tail.records[begin].record);
      batch.lanes = list_lanes(database_, run.id);
      ++end;
      take_rows(batch, end, end);
    } else {
      take_rows(batch, begin, end);
    }
    begin = end;
  }
  if (run.records_offset != tail.offset) {  // lines at the end that were no records
    Transaction transaction(database_);
    set_records_offset(database_, run.id, tail.offset);
    transaction.commit();
    run.records_offset = tail.offset;
  }
  return tail.exhausted;
}

std::optional<JobError> RecordIntake::failure_of(const std::string& run_id, int lane) const {
  const auto run = failures_.find(run_id);
  if (run == failures_.end()) return std::nullopt;
  const auto found = run->second.find(lane);
  return found == run->second.end() ? std::nullopt : std::optional(found->second);
}

void RecordIntake::forget(const std::string& run_id) {
  last_progress_.erase(run_id);
  failures_.erase(run_id);
}

// Records [begin, end) and the offset behind them.
void RecordIntake::take_rows(Batch& batch, std::size_t begin, std::size_t end) {
  for (std::size_t i = begin; i < end; ++i) {
    if (!std::holds_alternative<RunStarted>(batch.records[i].record.body)) continue;
    mark_run_running(database_, batch.run.id);  // twice does no harm
    batch.run.status = RunStatus::running;
  }
  const std::int64_t offset = batch.records[end - 1].end;
  Transaction transaction(database_);
  for (std::size_t i = begin; i < end; ++i) add_row(batch, batch.records[i].record);
  set_records_offset(database_, batch.run.id, offset);
  transaction.commit();
  batch.run.records_offset = offset;
}

void RecordIntake::take_decision(Batch& batch, const Record& record) {
  if (const auto* finished = std::get_if<LaneFinished>(&record.body)) {
    publish(batch, *finished);
  } else if (const auto* failed = std::get_if<LaneFailed>(&record.body)) {
    fail_lane(batch, failed->lane, error_of(failed->code, failed->message, failed->param));
  } else if (const auto* run_failed = std::get_if<RunFailed>(&record.body)) {
    const JobError error = error_of(run_failed->code, run_failed->message, run_failed->param);
    for (const RunLane& lane : batch.lanes) fail_lane(batch, lane.lane, error);
  }
}

void RecordIntake::add_row(Batch& batch, const Record& record) {
  if (const auto* started = std::get_if<RunStarted>(&record.body)) {
    add_started(batch, *started);
  } else if (const auto* ready = std::get_if<DataReady>(&record.body)) {
    add_data_ready(batch, *ready);
  } else if (const auto* progress = std::get_if<Progress>(&record.body)) {
    add_progress(batch, *progress, record.time);
  } else if (const auto* ended = std::get_if<EpochEnded>(&record.body)) {
    add_epoch(batch, *ended);
  } else if (const auto* notice = std::get_if<Notice>(&record.body)) {
    if (const RunLane* lane = batch.open_lane(notice->lane)) {
      add_event(batch, *lane, level_of(notice->level), shortened(notice->message));
    }
  }  // RunFinished: what it says shows in the lanes
}

void RecordIntake::add_started(Batch& batch, const RunStarted& started) {
  std::string message = "Training worker started on " + started.device;
  if (!started.processor.empty()) message += " (" + started.processor + ")";
  message += ", " + plural(started.threads, "thread");
  if (!started.precision.empty()) message += ", computing in " + started.precision;
  message += ".";
  for (const RunLane& lane : batch.lanes) {
    if (Batch::is_running(lane)) {
      add_event(batch, lane, EventLevel::info, message);
    }
  }
}

void RecordIntake::add_data_ready(Batch& batch, const DataReady& ready) {
  const RunLane* lane = batch.open_lane(ready.lane);
  if (lane == nullptr) return;
  add_event(batch, *lane, EventLevel::info,
            "Data read: " + plural(ready.training_rows, "training row") + ", " +
                plural(ready.validation_rows, "validation row") + ", " +
                (learns_labels(ready.task_kind)
                     ? plural(static_cast<std::int64_t>(ready.labels.size()), "label")
                     : "numbers to learn") +
                ". " + plural(ready.total_steps, "step") + " to go, " +
                plural(ready.trainable_parameters, "trainable parameter") + ".");
  if (ready.truncated_rows > 0) {
    add_event(batch, *lane, EventLevel::warn,
              plural(ready.truncated_rows, "text") + " longer than max_length (" +
                  std::to_string(parse_specification(lane->trial.specification).max_length) +
                  " tokens) cut at that length; a larger max_length keeps more of them.");
  }
  update_progress(database_, lane->trial.id, {lane->trial.step, ready.total_steps, 0},
                  lane->trial.trained_tokens, std::nullopt);
}

void RecordIntake::add_progress(Batch& batch, const Progress& progress, double time) {
  const RunLane* lane = batch.open_lane(progress.lane);
  if (lane == nullptr) return;
  const auto& last = last_progress_[batch.run.id][progress.lane];
  const bool told = last.step == progress.step && progress.step > 0;  // only the time left is new
  last_progress_[batch.run.id][progress.lane] = progress;
  std::optional<UnixTime> finish;
  if (all_finite({progress.eta_seconds, time}) && std::abs(progress.eta_seconds) < 1e9) {
    finish = static_cast<UnixTime>(time + progress.eta_seconds);
  }
  const double pace = all_finite({progress.tokens_per_second}) ? progress.tokens_per_second : 0;
  update_progress(database_, lane->trial.id, {progress.step, progress.total_steps, pace},
                  progress.trained_tokens, finish);
  if (told) return;
  MetricsEventData data;
  data.metrics = {{"train_loss", progress.train_loss}, {"train_accuracy", progress.train_accuracy}};
  if (data.metrics.get("train_loss")) {
    insert_metric_point(database_, lane->trial.id,
                        {progress.step, write_metrics_text(data.metrics)});
  }
  data.step = progress.step;
  data.total_steps = progress.total_steps;
  data.epoch = progress.epoch;
  data.learning_rate = progress.learning_rate;
  data.tokens_per_second = progress.tokens_per_second;
  data.eta_seconds = progress.eta_seconds;
  if (all_finite({progress.utilization})) data.utilization = progress.utilization;
  const std::string message = "Step " + std::to_string(progress.step) + "/" +
                              std::to_string(progress.total_steps) +
                              ": training loss=" + fixed(progress.train_loss, 4);
  insert_event(database_,
               {lane->job.id, EventLevel::info, "metrics", message, write_metrics_event_data(data),
                /*passing=*/true},
               batch.now);
}

void RecordIntake::add_epoch(Batch& batch, const EpochEnded& ended) {
  const RunLane* lane = batch.open_lane(ended.lane);
  if (lane == nullptr) return;
  const auto train_loss = ended.metrics.get("train_loss");
  if (train_loss) {
    const std::string metrics = write_metrics_text(ended.metrics);
    Checkpoint checkpoint;
    checkpoint.job_id = lane->job.id;
    checkpoint.trial_id = lane->trial.id;
    checkpoint.created_at = batch.now;
    checkpoint.step = ended.step;
    checkpoint.epoch = ended.epoch;
    checkpoint.metrics = metrics;
    insert_checkpoint(database_, checkpoint);
    insert_metric_point(database_, lane->trial.id, {ended.step, metrics});
  }
  MetricsEventData data;
  data.step = ended.step;
  data.epoch = ended.epoch;
  data.metrics = ended.metrics;
  const auto& progress_of_lanes = last_progress_[batch.run.id];
  if (const auto last = progress_of_lanes.find(ended.lane); last != progress_of_lanes.end()) {
    data.total_steps = last->second.total_steps;
    data.learning_rate = last->second.learning_rate;
    data.tokens_per_second = last->second.tokens_per_second;
    data.eta_seconds = last->second.eta_seconds;
  }
  std::string message = "Epoch " + std::to_string(ended.epoch) + " ended";
  if (train_loss) message += ": training loss=" + fixed(*train_loss, 4);
  const auto valid_loss = ended.metrics.get("valid_loss");
  const auto primary = ended.metrics.get(ended.primary_metric);
  if (valid_loss) message += ", validation loss=" + fixed(*valid_loss, 4);
  if (primary)
    message += ", validation " + words_of(metric(ended.primary_metric)) + "=" + fixed(*primary, 4);
  if (!valid_loss && !primary)
    message += ", no validation";
  else if (ended.best)
    message += " (best so far)";
  insert_event(database_,
               {lane->job.id, EventLevel::info, "metrics", message, write_metrics_event_data(data)},
               batch.now);
}

void RecordIntake::publish(Batch& batch, const LaneFinished& finished) {
  const RunLane* lane = batch.lane(finished.lane);
  if (lane == nullptr) return;
  const std::string& expected = lane->job.backbone_sha256;
  if (!expected.empty() && finished.backbone_sha256 != expected) {
    const JobError error{"backbone_mismatch",
                         "The adapter was trained on another backbone (" +
                             finished.backbone_sha256 + ") than the job was made for (" + expected +
                             "). Create the job again.",
                         "model"};
    if (fail_trial(database_, lane->trial.id, error, batch.now))
      spdlog::error("job {} failed: {}", lane->job.id, error.message);
    return;
  }
  // What stays is the mean, not the last instant.
  const LaneMetrics& whole = finished.metrics;
  if (all_finite({whole.tokens_per_second}))
    update_progress(database_, lane->trial.id, {whole.steps, whole.steps, whole.tokens_per_second},
                    whole.trained_tokens, std::nullopt);
  const PublishOutcome outcome =
      publish_lane(database_, blobs_, *lane, finished, batch.directory, batch.now);
  if (outcome == PublishOutcome::published)
    spdlog::info("job {} published a version of task {}", lane->job.id, lane->job.task_name);
  if (outcome == PublishOutcome::bad_bundle) {
    // The job stays running; the end of the worker without a result then decides about another
    // attempt.
    spdlog::error("run {}: bundle {} is missing or its bytes are not {}", batch.run.id,
                  finished.bundle, finished.bundle_sha256);
    add_event(batch, *lane, EventLevel::warn,
              "The finished adapter was damaged on its way from the worker and is not published.");
  }
}

void RecordIntake::fail_lane(Batch& batch, int number, const JobError& error) {
  const RunLane* lane = batch.open_lane(number);
  if (lane == nullptr) return;
  if (fault_of(error.code) != Fault::customer) {
    // Not the customer's: it stays running, and the end of the worker decides.
    failures_[batch.run.id][number] = error;
  } else if (fail_trial(database_, lane->trial.id, error, batch.now)) {
    spdlog::info("job {} failed: {} ({})", lane->job.id, error.message, error.code);
  }
}

void RecordIntake::add_event(Batch& batch, const RunLane& lane, EventLevel level,
                             std::string message) {
  insert_event(database_, {lane.job.id, level, "message", std::move(message), {}}, batch.now);
}

}  // namespace graft
