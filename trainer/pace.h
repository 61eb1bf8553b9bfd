// How long what is left of a run will take, from what its work took so far. Steps are counted by
// their tokens, which differ from step to step and fall when a lane leaves. Plain arithmetic: time
// comes in as an argument.
//
// For one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace graft {

class Pace {
 public:
  // What happened; tokens: real ones, of all lanes in the step or of all rows evaluated.
  void add_step(std::int64_t tokens, double seconds);
  void add_evaluation(std::int64_t tokens, double seconds);
  void add_export(double seconds);

  // From now on everything takes `ratio` times as long as it did.
  void slow_down(double ratio);

  // What to expect of the next; 0 while nothing is known. Until an evaluation or an export was
  // seen, theirs are guessed.
  double step_seconds(double tokens) const;
  double evaluation_seconds(double tokens) const;
  double export_seconds() const;

 private:
  // Weighted sums over steps: x tokens, y seconds without hold-ups.
  struct Sums {
    double weight = 0, x = 0, y = 0, xx = 0, xy = 0;
    double seconds = 0;  // with them
  };
  double undisturbed_seconds(double tokens) const;
  static constexpr int first_steps = 2;  // slow: kernels are being made

  Sums sums_;
  std::int64_t steps_ = 0;
  double seconds_ = 0;  // of all steps
  double evaluated_tokens_ = 0, evaluation_seconds_ = 0;
  double export_seconds_ = 0;
  std::int64_t exports_ = 0;
};

// What a lane has before it.
struct LaneWork {
  std::int64_t steps = 0;
  std::int64_t tokens = 0;             // of these steps
  std::int64_t evaluations = 0;        // spread over the steps, the last one behind the last step
  std::int64_t evaluation_tokens = 0;  // of each
};

// Seconds until lane `which` has its result. Lanes train side by side, each until it has no steps
// left; their evaluations and exports come in between, one after the other.
double seconds_to_result(const Pace& pace, std::span<const LaneWork> lanes, std::size_t which);

}  // namespace graft
