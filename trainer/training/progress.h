// Progress records of the lanes that train: when they are due, what they say, how long it will
// still take. For the training thread.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <vector>

#include "trainer/training/clock.h"
#include "trainer/training/lane.h"
#include "trainer/training/pace.h"
#include "trainer/training/run_report.h"

namespace graft {

class ProgressReporter {
 public:
  // Both must outlive it; lanes may come and go. product_peak: FLOP/s of the machine's matrix
  // products, 0: unknown.
  ProgressReporter(const std::vector<std::unique_ptr<Lane>>& lanes, RunReport& report,
                   double product_peak)
      : lanes_(lanes), report_(report), product_peak_(product_peak) {}

  // The run computes with `after` threads now instead of `before`.
  void threads_changed(std::size_t before, std::size_t after);

  // What the estimates rest on.
  Pace& pace() { return pace_; }

  // Records every lane that trains, where a second has passed since it last did. May be called
  // between steps and within an evaluation.
  void beat();

  // Records this lane now.
  void record(Lane& lane);

 private:
  using Clock = std::chrono::steady_clock;
  double seconds_left(const Lane& lane) const;

  const std::vector<std::unique_ptr<Lane>>& lanes_;
  RunReport& report_;
  double product_peak_;
  Pace pace_;
  Clock::time_point last_ = Clock::now();
  std::map<int, Clock::time_point> estimated_;  // by lane: when its last estimate was made
};

}  // namespace graft
