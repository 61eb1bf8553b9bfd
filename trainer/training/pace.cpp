// Seconds of a step are modelled as a + b * work, by least squares over past steps that weigh
// less the longer they are ago.
#include "trainer/training/pace.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace graft {
namespace {

// The past counts over a third of the time trained, so that the estimate rests on much and still
// follows when the machine gets busier; but at least over these seconds.
constexpr double shortest_memory = 15.0;
constexpr double memory_share = 1.0 / 3.0;

// Steps in which the machine was held up, by this many times what was expected, say nothing about
// what work costs, but hold-ups will come again; beyond the second number the machine slept.
constexpr double held_up = 2.0;
constexpr double asleep = 20.0;
constexpr std::int64_t steps_to_judge = 8;

// An evaluation goes forward only.
constexpr double evaluation_share = 0.4;
constexpr double first_export_seconds = 0.3;

}  // namespace

void Pace::add_step(double work, double seconds) {
  if (!(work > 0) || !(seconds > 0)) return;
  ++steps_;
  if (steps_ == first_steps + 1) sums_ = {};  // now there are better ones
  const double x = work;
  double undisturbed = seconds;
  if (steps_ > steps_to_judge) {
    const double expected = undisturbed_seconds(x);
    undisturbed = std::min(seconds, held_up * expected);
    seconds = std::min(seconds, asleep * expected);
  }
  seconds_ += seconds;
  const double keep = std::exp(-seconds / std::max(shortest_memory, seconds_ * memory_share));
  for (double* sum : {&sums_.weight, &sums_.x, &sums_.y, &sums_.xx, &sums_.xy, &sums_.seconds})
    *sum *= keep;
  sums_.weight += 1;
  sums_.x += x;
  sums_.y += undisturbed;
  sums_.xx += x * x;
  sums_.xy += x * undisturbed;
  sums_.seconds += seconds;
}

void Pace::add_evaluation(double work, double seconds) {
  evaluated_work_ += work;
  evaluation_seconds_ += seconds;
}

void Pace::add_export(double seconds) {
  export_seconds_ += seconds;
  ++exports_;
}

void Pace::slow_down(double ratio) {
  for (double* sum : {&sums_.y, &sums_.xy, &sums_.seconds, &evaluation_seconds_}) *sum *= ratio;
}

double Pace::step_seconds(double work) const {
  return sums_.y > 0 ? undisturbed_seconds(work) * sums_.seconds / sums_.y : 0;
}

double Pace::undisturbed_seconds(double work) const {
  const double mean_x = sums_.x / sums_.weight, mean_y = sums_.y / sums_.weight;
  const double variance = sums_.xx / sums_.weight - mean_x * mean_x;
  const double covariance = sums_.xy / sums_.weight - mean_x * mean_y;
  // With steps of one size nothing tells a from b: then by work alone.
  const double proportional = mean_y / mean_x;
  const double slope = variance > 1e-4 * mean_x * mean_x
                           ? std::clamp(covariance / variance, 0.0, proportional)
                           : proportional;
  return std::max(0.0, mean_y + slope * (work - mean_x));
}

double Pace::evaluation_seconds(double work) const {
  if (work <= 0) return 0;
  if (evaluated_work_ > 0) return work * evaluation_seconds_ / evaluated_work_;
  return sums_.x > 0 ? work * evaluation_share * sums_.seconds / sums_.x : 0;
}

double Pace::export_seconds() const {
  return exports_ > 0 ? export_seconds_ / static_cast<double>(exports_) : first_export_seconds;
}

double seconds_to_result(const Pace& pace, std::span<const LaneWork> lanes, std::size_t which) {
  const LaneWork& own = lanes[which];
  std::vector<std::size_t> by_steps(lanes.size());
  std::iota(by_steps.begin(), by_steps.end(), std::size_t{0});
  std::stable_sort(by_steps.begin(), by_steps.end(),
                   [&](std::size_t a, std::size_t b) { return lanes[a].steps < lanes[b].steps; });

  double step_work = 0;  // of a step of all lanes that still train
  for (const LaneWork& lane : lanes)
    if (lane.steps > 0) step_work += lane.work / static_cast<double>(lane.steps);

  double seconds = 0;
  std::int64_t steps_done = 0;
  for (const std::size_t i : by_steps) {
    const LaneWork& lane = lanes[i];
    if (lane.steps > own.steps) break;
    if (lane.steps == 0 && i != which) continue;  // about to end
    seconds += static_cast<double>(lane.steps - steps_done) * pace.step_seconds(step_work);
    steps_done = lane.steps;
    if (lane.steps > 0) step_work -= lane.work / static_cast<double>(lane.steps);
    if (i == which || lane.steps < own.steps || i < which) seconds += pace.export_seconds();
  }
  for (const LaneWork& lane : lanes) {
    const double share = lane.steps <= own.steps
                             ? 1.0
                             : static_cast<double>(own.steps) / static_cast<double>(lane.steps);
    seconds += std::floor(static_cast<double>(lane.evaluations) * share) *
               pace.evaluation_seconds(lane.evaluation_work);
  }
  return seconds;
}

}  // namespace graft
