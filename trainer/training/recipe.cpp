// The training recipe.
#include "trainer/training/recipe.h"

#include <torch/torch.h>

#include <chrono>
#include <cmath>
#include <limits>

namespace graft {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

std::vector<StepSums> train_step(Engine& engine, std::span<Lane* const> lanes) {
  const auto start = Clock::now();
  std::vector<LaneStep> shares;
  std::vector<std::vector<std::int64_t>> targets(lanes.size());  // (rows) of each lane
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    Lane& lane = *lanes[i];
    const std::span<const std::size_t> rows = next_rows(lane);
    for (const std::size_t row : rows) targets[i].push_back(lane.training.class_ids[row]);
    shares.push_back({&lane.model,
                      {&lane.training.rows, rows},
                      targets[i],
                      DropoutStream(lane.order.seed, static_cast<std::uint64_t>(lane.step),
                                    DropoutSite::first_from(frozen_layers(lane.model.adapter)))});
  }
  const std::vector<LaneStepResult> results = engine.step(shares);
  double flops = 0;
  for (const LaneStepResult& result : results) flops += result.flops;
  std::vector<StepSums> steps;
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    Lane& lane = *lanes[i];
    StepSums& step = steps.emplace_back();
    step.rows = results[i].rows;
    step.tokens = results[i].tokens;
    step.flops = flops;
    step.correct = results[i].correct;
    step.steps = 1;
    step.loss = results[i].loss * static_cast<double>(step.rows);
    const double rate = std::isfinite(step.loss) ? lane.learning_rate() : 0.0;
    const double norm = std::isfinite(step.loss)
                            ? lane.optimizer->update(rate, lane.order.weight_decay,
                                                     lane.order.gradient_clip, engine.threads())
                            : step.loss;
    if (std::isfinite(norm))
      ++lane.step;
    else
      step.loss = std::numeric_limits<double>::quiet_NaN();
  }
  const double seconds = seconds_since(start);
  for (StepSums& step : steps) step.seconds = seconds;
  return steps;
}

EpochEnded end_epoch(Engine& engine, Lane& lane, const std::function<void()>& after_batch) {
  const Metrics validation = evaluate(engine.backbone(), engine.threads(), lane.model,
                                      lane.validation, lane.validation_states, after_batch);
  EpochEnded ended;
  ended.lane = lane.index;
  ended.epoch = static_cast<int>(lane.step / lane.steps_per_epoch);
  ended.step = lane.step;
  ended.metrics = {{"train_loss", lane.epoch_sums.mean_loss()},
                   {"train_accuracy", lane.epoch_sums.accuracy()}};
  ended.metrics.add(validation);
  const bool better = !lane.best || is_better(ended.metrics, lane.best->numbers.metrics);
  ended.best = better;
  if (better) lane.best = BestEpoch{ended, lane.optimizer->snapshot()};
  lane.epoch_sums = {};
  return ended;
}

}  // namespace graft
