// A whole training run, as plain functions: set up, train, evaluate, save.
//
// What stops one lane (bad data, divergence, a full disk) is reported for that lane and leaves the
// others; what stops the run is thrown. One thread trains; LibTorch uses order.threads.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "trainer/lane.h"
#include "trainer/run_report.h"

namespace graft {

// One step of all lanes in one packed batch: forward, backward of the summed losses, clipping at
// global norm 1, AdamW. Returns what each lane adds to its sums, and moves its step on. A lane
// whose loss or gradient is not finite is left as it was before the step and has loss NaN.
std::vector<StepSums> train_step(Engine& engine, std::span<Lane* const> lanes);

// Evaluates the epoch that just ended and keeps the tensors where it is the best so far.
// after_batch as for evaluate().
EpochEnded end_epoch(Engine& engine, Lane& lane, const std::function<void()>& after_batch);

// Trains every lane of the order and writes its records and bundles. stop() is asked before each
// step. Throws BackboneError, TokenizerError, std::bad_alloc, std::system_error.
void run_training(const Order& order, RunReport& report, const std::function<bool()>& stop);

}  // namespace graft
