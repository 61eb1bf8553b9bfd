// How long what is left of a run will take, from what its work took so far. Work is counted in
// floating point operations: it differs from step to step, and falls when a lane leaves or when
// what frozen layers give is kept. Plain arithmetic: time comes in as an argument.
//
// For one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace graft {

class Pace {
 public:
  // What happened; work: of all lanes in the step; an evaluation's as if its rows were trained on.
  void add_step(double work, double seconds);
  void add_evaluation(double work, double seconds);
  void add_export(double seconds);

  // From now on everything takes `ratio` times as long as it did.
  void slow_down(double ratio);

  // What to expect of the next; 0 while nothing is known. Until an evaluation or an export was
  // seen, theirs are guessed.
  double step_seconds(double work) const;
  double evaluation_seconds(double work) const;
  double export_seconds() const;

 private:
  // Weighted sums over steps: x work, y seconds without hold-ups.
  struct Sums {
    double weight = 0, x = 0, y = 0, xx = 0, xy = 0;
    double seconds = 0;  // with them
  };
  double undisturbed_seconds(double work) const;
  static constexpr int first_steps = 2;  // slow: kernels are being made

  Sums sums_;
  std::int64_t steps_ = 0;
  double seconds_ = 0;  // of all steps
  double evaluated_work_ = 0, evaluation_seconds_ = 0;
  double export_seconds_ = 0;
  std::int64_t exports_ = 0;
};

// What a lane has before it.
struct LaneWork {
  std::int64_t steps = 0;
  double work = 0;               // of these steps
  std::int64_t evaluations = 0;  // spread over the steps, the last one behind the last step
  double evaluation_work = 0;    // of each, on average
};

// Seconds until lane `which` has its result. Lanes train side by side, each until it has no steps
// left; their evaluations and exports come in between, one after the other.
double seconds_to_result(const Pace& pace, std::span<const LaneWork> lanes, std::size_t which);

}  // namespace graft
