// The training recipe: how the lanes of a run get from their data to their results. recipe.cpp
// reads top to bottom; what it calls by name stands in the files around it.
//
// For one thread, which trains; the engine has threads of its own.
#pragma once

#include <functional>
#include <string>

#include "trainer/fast/engine.h"
#include "trainer/training/lane_intake.h"
#include "trainer/training/run_report.h"
#include "trainer/training/thread_limit.h"

namespace graft {

// What a run trains with.
struct TrainingParts {
  const Order& order;
  const std::string& order_sha256;  // of order_identity()
  const BackboneWeights& backbone;
  Engine& engine;
  ThreadLimit& threads;
  LaneIntake& intake;  // where lanes come from
  RunReport& report;
  double checkpoint_seconds;  // at most, between checkpoints
};

// Trains all lanes that come, side by side. True: every lane came to its end; false: stop(), asked
// before each step and while data is read, said so, and a checkpoint is there.
bool train_lanes(const TrainingParts& parts, const std::function<bool()>& stop);

}  // namespace graft
