// How good a model is on rows that it was not trained on. For the training thread.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "trainer/fast/thread_pool.h"
#include "trainer/model/backbone.h"
#include "trainer/model/task_model.h"
#include "trainer/tasks/kind.h"
#include "trainer/text/tokenized_rows.h"

namespace graft {

struct LaneData {
  TokenizedRows rows;
  std::vector<std::int32_t> targets;  // (rows) places in the lane's targets
};

// What is learned of a lane's rows.
struct LaneTask {
  const Kind* kind = nullptr;
  Targets targets;
};

// States behind a lane's frozen layers, by validation row: what later evaluations begin with.
struct EvaluationStates {
  std::vector<at::Tensor> rows;  // undefined: not computed yet; empty: too many to keep
};

// Without dropout, and row by row with the arithmetic that answers predictions: whoever predicts
// the rows with this model gets the same numbers, whatever the number of threads and the precision
// of training. nullopt for no rows. Calls after_batch() between batches, so that a long evaluation
// is no silence. model: as it is trained; training: its rows' targets.
std::optional<Measured> evaluate(const BackboneWeights& backbone, ThreadPool& threads,
                                 const LaneTask& task, const TaskModel& model,
                                 std::span<const std::int32_t> training, const LaneData& data,
                                 EvaluationStates& states,
                                 const std::function<void()>& after_batch);

}  // namespace graft
