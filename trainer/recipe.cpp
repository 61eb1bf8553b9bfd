// The training recipe.
#include "trainer/recipe.h"

#include <torch/torch.h>

#include <chrono>
#include <cmath>
#include <limits>

namespace graft {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double largest_gradient = 1.0;  // global norm of a lane

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

std::vector<StepSums> train_step(const BackboneWeights& backbone, std::span<Lane* const> lanes) {
  const auto start = Clock::now();
  std::vector<LaneRows> rows;
  std::vector<DropoutStream> dropouts;
  dropouts.reserve(lanes.size());
  std::vector<ForwardLane> forward_lanes;
  for (Lane* lane : lanes) {
    rows.push_back({&lane->training.rows, next_rows(*lane)});
    dropouts.emplace_back(lane->order.seed, static_cast<std::uint64_t>(lane->step));
    forward_lanes.push_back({&lane->model, &dropouts.back()});
    lane->optimizer->zero_gradients();
  }
  const PackedBatch batch = pack(rows);
  const std::vector<at::Tensor> logits = forward(backbone, forward_lanes, batch);

  std::vector<at::Tensor> losses;
  std::vector<StepSums> steps;
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    std::vector<std::int64_t> classes;
    for (const std::size_t row : rows[i].chosen)
      classes.push_back(lanes[i]->training.class_ids[row]);
    const at::Tensor targets = at::tensor(classes, at::kLong);  // (rows)
    losses.push_back(head_loss(lanes[i]->model.head, logits[i], targets));
    StepSums step;
    step.rows = batch.lane_rows[i];
    step.tokens = batch.lane_tokens[i];
    step.steps = 1;
    step.loss = losses[i].item<double>() * static_cast<double>(step.rows);
    step.correct = logits[i].detach().argmax(1).eq(targets).sum().item<std::int64_t>();
    steps.push_back(step);
  }
  at::stack(losses).sum().backward();

  for (std::size_t i = 0; i < lanes.size(); ++i) {
    Lane& lane = *lanes[i];
    const double norm = lane.optimizer->clip_gradients(largest_gradient);
    if (!std::isfinite(steps[i].loss) || !std::isfinite(norm)) {
      steps[i].loss = std::numeric_limits<double>::quiet_NaN();
      continue;
    }
    lane.optimizer->step(lane.learning_rate(), lane.order.weight_decay);
    ++lane.step;
  }
  const double seconds = seconds_since(start);
  for (StepSums& step : steps) step.seconds = seconds;
  return steps;
}

EpochEnded end_epoch(const BackboneWeights& backbone, Lane& lane,
                     const std::function<void()>& after_batch) {
  const Evaluation evaluation = evaluate(backbone, lane.model, lane.validation, after_batch);
  EpochEnded ended;
  ended.lane = lane.index;
  ended.epoch = static_cast<int>(lane.step / lane.steps_per_epoch);
  ended.step = lane.step;
  ended.train_loss = lane.epoch_sums.mean_loss();
  ended.train_accuracy = lane.epoch_sums.accuracy();
  ended.valid_loss = evaluation.loss;
  ended.valid_accuracy = evaluation.accuracy;
  ended.valid_macro_f1 = evaluation.macro_f1;
  const bool validated = lane.validation.rows.size() > 0;  // without rows the last epoch counts
  const bool better = !lane.best || !validated ||
                      ended.valid_accuracy > lane.best->numbers.valid_accuracy ||
                      (ended.valid_accuracy == lane.best->numbers.valid_accuracy &&
                       ended.valid_loss < lane.best->numbers.valid_loss);
  ended.best = better;
  if (better) lane.best = BestEpoch{ended, lane.optimizer->snapshot()};
  lane.epoch_sums = {};
  return ended;
}

}  // namespace graft
