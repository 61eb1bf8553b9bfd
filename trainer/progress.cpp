// Progress records.
#include "trainer/progress.h"

#include <algorithm>

namespace graft {
namespace {

constexpr double progress_interval = 1.0;  // seconds; readers are promised two

LaneWork work_left(const Lane& lane) {
  LaneWork work;
  work.steps = lane.total_steps - lane.step;
  work.tokens = lane.training_tokens * lane.order.n_epochs - lane.sums.tokens;
  work.evaluations = lane.order.n_epochs - lane.epochs_ended;
  work.evaluation_tokens = lane.validation_tokens;
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
