// The training recipe, as plain functions: a step of all lanes, the end of an epoch.
//
// For one thread, which trains; the engine has threads of its own.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "trainer/training/lane.h"

namespace graft {

// One step of all lanes by the engine, each lane's gradients its own; then for each lane clipping
// at global norm 1 and AdamW. Returns what each lane adds to its sums, and moves its step on. A
// lane whose loss or gradient is not finite is left as it was before the step and has loss NaN.
std::vector<StepSums> train_step(Engine& engine, std::span<Lane* const> lanes);

// Evaluates the epoch that just ended and keeps the tensors where it is the best so far.
// after_batch as for evaluate().
EpochEnded end_epoch(Engine& engine, Lane& lane, const std::function<void()>& after_batch);

}  // namespace graft
