// Top to bottom: the loop of steps, then its parts in the order in which a lane meets them: batch,
// step, update, sums, end of an epoch with its evaluation, result, checkpoint.
#include "trainer/training/recipe.h"

#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "trainer/contract/seeded_random.h"
#include "trainer/training/checkpoint_writer.h"
#include "trainer/training/clock.h"
#include "trainer/training/evaluation.h"
#include "trainer/training/lane_failure.h"
#include "trainer/training/lane_result.h"
#include "trainer/training/progress.h"

namespace graft {
namespace {

class Training {
 public:
  explicit Training(const TrainingParts& parts)
      : parts_(parts),
        progress_(lanes_, parts.report, parts.engine.product_peak()),
        writer_(parts.report) {}

  bool run(const std::function<bool()>& stop);

 private:
  std::vector<StepSums> step();
  static LaneStep next_batch(Lane& lane);
  StepSums update(Lane& lane, const LaneStepResult& result);
  void count(Lane& lane, const StepSums& step);
  void end_epoch(Lane& lane);
  std::optional<Measured> measure(Lane& lane);
  void save_result(Lane& lane);
  void save_checkpoint();
  void follow_threads();

  const TrainingParts& parts_;
  std::vector<std::unique_ptr<Lane>> lanes_;  // that train
  ProgressReporter progress_;
  CheckpointWriter writer_;
  Clock::time_point saved_ = Clock::now();
  std::optional<Clock::time_point> step_ended_;  // the one before, if it left lanes to train
};

// Each turn is a step of all lanes; each lane has its own epochs, and leaves behind its last one.
bool Training::run(const std::function<bool()>& stop) {
  while (parts_.intake.take_in(lanes_, stop) && !lanes_.empty()) {
    if (stop()) {
      save_checkpoint();
      writer_.finish();
      return false;
    }
    const std::vector<StepSums> steps = step();

    bool epoch_ended = false;
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      Lane& lane = *lanes_[i];
      const bool survives = lane_survives(lane.index, parts_.report, [&] {
        count(lane, steps[i]);
        if (lane.between_epochs()) end_epoch(lane);
        if (lane.finished()) save_result(lane);
      });
      lane.ended = !survives || lane.finished();
      epoch_ended |= lane.between_epochs();
    }
    std::erase_if(lanes_, [](const auto& lane) { return lane->ended; });
    step_ended_.reset();
    if (lanes_.empty()) continue;

    step_ended_ = Clock::now();
    if (epoch_ended || seconds_since(saved_) >= parts_.checkpoint_seconds) save_checkpoint();
  }
  if (!lanes_.empty() || !parts_.intake.exhausted()) return false;
  writer_.discard();
  return true;
}

// A batch of every lane goes through the network and back together; gradients and updates are each
// lane's own. Returns what each lane adds to its sums.
std::vector<StepSums> Training::step() {
  follow_threads();
  const auto start = Clock::now();
  std::vector<LaneStep> batches;
  for (const auto& lane : lanes_) batches.push_back(next_batch(*lane));

  const std::vector<LaneStepResult> results = parts_.engine.step(batches);

  std::vector<StepSums> steps;
  double flops = 0;
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    steps.push_back(update(*lanes_[i], results[i]));
    flops += results[i].flops;
  }
  const double seconds = seconds_since(start);
  for (StepSums& step : steps) {
    step.seconds = seconds;
    step.flops = flops;
  }
  progress_.pace().add_step(flops, seconds_since(step_ended_.value_or(start)));
  return steps;
}

// The next rows in the epoch's order, which is drawn where an epoch begins.
LaneStep Training::next_batch(Lane& lane) {
  const auto position = static_cast<std::size_t>(lane.step % lane.steps_per_epoch);
  const auto epoch = static_cast<std::uint64_t>(lane.step / lane.steps_per_epoch);
  if (position == 0 || lane.epoch_order.empty())
    lane.epoch_order = permutation(lane.training.rows.size(), lane.order.seed, epoch);
  const auto batch_size = static_cast<std::size_t>(lane.order.batch_size);
  const std::size_t begin = position * batch_size;
  const auto rows = std::span<const std::size_t>(lane.epoch_order)
                        .subspan(begin, std::min(batch_size, lane.epoch_order.size() - begin));
  std::vector<std::int32_t> targets;
  for (const std::size_t row : rows) targets.push_back(lane.training.targets[row]);
  return {&lane.model,
          {&lane.training.rows, rows},
          lane.task.kind,
          lane.task.kind->batch(lane.task.targets, targets, lane.model.labels.size()),
          DropoutStream(lane.order.seed, static_cast<std::uint64_t>(lane.step),
                        DropoutSite::first_from(frozen_layers(lane.model.adapter)))};
}

// Clipping by the global norm, then AdamW. A lane whose loss or gradient is not finite is left as
// it was before the step and has loss NaN.
StepSums Training::update(Lane& lane, const LaneStepResult& result) {
  StepSums step;
  step.rows = result.rows;
  step.tokens = result.tokens;
  step.correct = result.correct;
  step.steps = 1;
  step.loss = result.loss * static_cast<double>(step.rows);
  const bool finite =
      std::isfinite(step.loss) &&
      std::isfinite(lane.optimizer->update(lane.learning_rate(), lane.order.weight_decay,
                                           lane.order.gradient_clip, parts_.engine.threads()));
  if (finite)
    ++lane.step;
  else
    step.loss = std::numeric_limits<double>::quiet_NaN();
  return step;
}

// Throws LaneError where the lane diverged.
void Training::count(Lane& lane, const StepSums& step) {
  if (!std::isfinite(step.loss)) throw diverged(lane.step + 1, lane.order.learning_rate);
  for (StepSums* sums : {&lane.recent, &lane.epoch_sums, &lane.sums}) sums->add(step);
  if (lane.step == 1 || lane.finished()) progress_.record(lane);
  progress_.beat();
}

// Evaluates the epoch that just ended and keeps the tensors where it is the best so far. Throws
// LaneError where the lane diverged.
void Training::end_epoch(Lane& lane) {
  const auto start = Clock::now();
  const std::optional<Measured> measured = measure(lane);
  if (measured && !measured->finite) throw diverged(lane.step, lane.order.learning_rate);
  EpochEnded ended;
  ended.lane = lane.index;
  ended.epoch = static_cast<int>(lane.step / lane.steps_per_epoch);
  ended.step = lane.step;
  ended.metrics = {{"train_loss", lane.epoch_sums.mean_loss()},
                   {"train_accuracy", lane.epoch_sums.accuracy()}};
  if (measured) ended.metrics.add(measured->metrics);
  ended.primary_metric = lane.primary().name;
  ended.best = !lane.best || is_better(lane.primary(), ended.metrics, lane.best->numbers.metrics);
  if (ended.best)
    lane.best = BestEpoch{ended, lane.optimizer->snapshot(),
                          measured ? std::optional(measured->report) : std::nullopt};
  lane.epoch_sums = {};

  const double seconds = seconds_since(start);
  lane.evaluation_seconds += seconds;
  progress_.pace().add_evaluation(
      lane.epochs_ended == 0 ? lane.first_evaluation_work : lane.evaluation_work, seconds);
  lane.epochs_ended = ended.epoch;
  if (ended.epoch > lane.epochs_known) parts_.report.record(ended);
}

std::optional<Measured> Training::measure(Lane& lane) {
  return evaluate(parts_.backbone, parts_.engine.threads(), lane.task, lane.model,
                  lane.training.targets, lane.validation, lane.validation_states, [&] {
                    follow_threads();
                    progress_.beat();
                  });
}

// The best epoch's tensors become the bundle.
void Training::save_result(Lane& lane) {
  const auto start = Clock::now();
  lane.optimizer->restore(lane.best->tensors);
  if (!lane.best->report)  // of an epoch before a checkpoint: the same numbers again
    if (const auto measured = measure(lane)) lane.best->report = measured->report;
  LaneFinished finished =
      write_result(parts_.order, parts_.backbone, lane, parts_.report.directory());
  if (finished.report)
    for (const DataNote& note :
         honest_notes(lane.task.kind->name(), finished.metrics.numbers, *finished.report))
      parts_.report.record(Notice{lane.index, note.level, note.message});
  parts_.report.record(std::move(finished));
  progress_.pace().add_export(seconds_since(start));
}

void Training::save_checkpoint() {
  TrainingState state = snapshot(lanes_, parts_.order_sha256, parts_.engine.precision());
  parts_.intake.add_waiting(state);
  writer_.submit(std::move(state));
  saved_ = Clock::now();
}

// Between steps and between an evaluation's batches: results are the same with any number.
void Training::follow_threads() {
  parts_.threads.follow(parts_.engine.threads(), [&](std::size_t before, std::size_t after) {
    progress_.threads_changed(before, after);
  });
}

}  // namespace

bool train_lanes(const TrainingParts& parts, const std::function<bool()>& stop) {
  return Training(parts).run(stop);
}

}  // namespace graft
