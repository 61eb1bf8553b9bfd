// Progress records.
#include "trainer/training/progress.h"

#include <algorithm>
#include <cmath>

namespace graft {
namespace {

constexpr double progress_interval = 1.0;  // seconds; readers are promised two

LaneWork work_left(const Lane& lane) {
  LaneWork work;
  work.steps = lane.total_steps - lane.step;
  const double epoch_done = static_cast<double>(lane.epoch_sums.tokens) /
                            static_cast<double>(std::max<std::int64_t>(1, lane.training_tokens));
  for (int epoch = lane.epochs_ended; epoch < lane.order.n_epochs; ++epoch) {
    const bool first = epoch == 0;
    work.work += (first ? lane.first_epoch_work : lane.epoch_work) *
                 (epoch == lane.epochs_ended ? 1 - epoch_done : 1);
    work.evaluation_work += first ? lane.first_evaluation_work : lane.evaluation_work;
  }
  work.evaluations = lane.order.n_epochs - lane.epochs_ended;
  if (work.evaluations > 0) work.evaluation_work /= static_cast<double>(work.evaluations);
  // How long a step with kept states takes is not known before one was seen: until then they count
  // as the fewer steps of the first epoch's kind that have their work.
  if (lane.epochs_ended == 0 && lane.first_epoch_work > 0) {
    const std::int64_t later = lane.steps_per_epoch * (lane.order.n_epochs - 1);
    const double share = lane.epoch_work / lane.first_epoch_work;
    work.steps -= later - std::llround(static_cast<double>(later) * share);
  }
  return work;
}

double seconds_between(std::chrono::steady_clock::time_point start,
                       std::chrono::steady_clock::time_point end) {
  return std::chrono::duration<double>(end - start).count();
}

}  // namespace

void ProgressReporter::beat() {
  const auto now = Clock::now();
  if (seconds_between(last_, now) < progress_interval) return;
  last_ = now;
  for (const auto& lane : lanes_)
    if (!lane->ended && lane->sums.steps > 0) record(*lane);
}

void ProgressReporter::threads_changed(std::size_t before, std::size_t after) {
  const double ratio = static_cast<double>(before) / static_cast<double>(after);
  product_peak_ /= ratio;
  pace_.slow_down(ratio);
}

void ProgressReporter::record(Lane& lane) {
  const auto now = Clock::now();
  Progress progress = lane.last_progress;
  if (lane.recent.steps > 0) {
    progress.lane = lane.index;
    progress.step = lane.step;
    progress.total_steps = lane.total_steps;
    progress.epoch = std::min(lane.epoch(), lane.order.n_epochs);
    progress.train_loss = lane.recent.mean_loss();
    progress.train_accuracy = lane.recent.accuracy();
    progress.learning_rate = lane.learning_rate();
    progress.tokens_per_second = lane.recent.tokens_per_second();
    if (product_peak_ > 0 && lane.recent.seconds > 0)
      progress.utilization = lane.recent.flops / lane.recent.seconds / product_peak_;
    progress.trained_tokens = lane.sums.tokens;
    progress.eta_seconds = seconds_left(lane);
    estimated_[lane.index] = now;
    lane.recent = {};
    lane.last_progress = progress;
  } else if (progress.step > 0) {
    // No step since: a lane is being evaluated or written. Then all is as it was, but later.
    const double passed = seconds_between(estimated_[lane.index], now);
    progress.eta_seconds = std::max(0.0, progress.eta_seconds - passed);
  } else {
    return;  // went on from a checkpoint and made no step yet
  }
  report_.record(progress);
}

double ProgressReporter::seconds_left(const Lane& lane) const {
  std::vector<LaneWork> work;
  std::size_t which = 0;
  for (const auto& other : lanes_) {
    if (other->ended) continue;
    if (other.get() == &lane) which = work.size();
    work.push_back(work_left(*other));
  }
  return seconds_to_result(pace_, work, which);
}

}  // namespace graft
