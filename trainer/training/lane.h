// A trial's place in a run: its data, model, optimizer, schedule, order and sums.
//
// Everything random in a lane is a function of its own seed, so a lane does not know whether others
// train beside it. Used by the training thread alone.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "trainer/contract/checkpoint_header.h"
#include "trainer/contract/order.h"
#include "trainer/contract/provenance.h"
#include "trainer/contract/record.h"
#include "trainer/fast/engine.h"
#include "trainer/model/backbone.h"
#include "trainer/model/task_model.h"
#include "trainer/text/token_cache.h"
#include "trainer/text/tokenized_rows.h"
#include "trainer/text/tokenizer.h"
#include "trainer/training/evaluation.h"
#include "trainer/training/optimizer.h"

namespace graft {

// Sums over training steps: of the epoch, and since the last Progress record.
struct StepSums : StepTotals {
  double flops = 0;  // of all lanes of the steps; not kept in checkpoints

  double mean_loss() const { return rows ? loss / static_cast<double>(rows) : 0.0; }
  // Not a number where the kind of task knows no such thing.
  double accuracy() const {
    if (!correct) return std::numeric_limits<double>::quiet_NaN();
    return rows ? static_cast<double>(*correct) / static_cast<double>(rows) : 0.0;
  }
  double tokens_per_second() const {
    return seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0;
  }
  void add(const StepSums& step);
};

struct BestEpoch {
  EpochEnded numbers;
  at::Tensor tensors;                // AdamW::snapshot()
  std::optional<TaskReport> report;  // none without validation rows, and behind a checkpoint
};

struct Lane {
  int index = 0;
  std::string identity;  // hash of lane_identity(), for checkpoints
  LaneOrder order;
  InputShape shape = InputShape::text;
  LaneTask task;
  TaskModel model;
  LaneData training, validation;
  EvaluationStates validation_states;
  std::unique_ptr<AdamW> optimizer;

  std::int64_t training_tokens = 0;  // of one pass over the rows
  // FLOPs of an epoch, and of an evaluation if its rows were trained on: the first time, and later,
  // when what frozen layers give is kept.
  double first_epoch_work = 0, epoch_work = 0;
  double first_evaluation_work = 0, evaluation_work = 0;
  std::int64_t steps_per_epoch = 0, total_steps = 0, warmup_steps = 0;
  std::int64_t step = 0;                 // steps done
  std::vector<std::size_t> epoch_order;  // of the epoch in progress
  StepSums recent, epoch_sums, sums;
  double evaluation_seconds = 0;
  int epochs_ended = 0;  // evaluated, too
  std::optional<BestEpoch> best;
  Progress last_progress;  // as recorded
  int epochs_known = 0;    // recorded by an earlier process of this run: not recorded again
  bool ended = false;      // finished or failed

  int epoch() const {
    return static_cast<int>(step / steps_per_epoch) + 1;
  }  // 1-based, next step's
  bool between_epochs() const { return step % steps_per_epoch == 0; }
  bool finished() const { return step == total_steps; }
  double learning_rate() const;  // of the next step
  const Metric& primary() const { return primary_metric(task.kind->name()); }
};

// What a lane trains on.
struct LaneInput {
  InputShape shape = InputShape::text;
  LaneTask task;
  std::vector<std::string> labels;  // names of the outputs, in their order
  LaneData training, validation;
  std::vector<DataNote> notes;  // for the customer, before training starts
};

// Reads, checks and tokenizes the lane's files; no tensors, so another thread may do it. nullopt:
// stop() said so. Throws DataError, also for rows that the backbone cannot read, LaneError where
// the order cannot be met.
std::optional<LaneInput> read_lane_input(const LaneOrder& order, const BackboneConfig& config,
                                         TokenCache& tokens, const std::function<bool()>& stop);

// Draws the model's start.
std::unique_ptr<Lane> build_lane(int index, const LaneOrder& order, const BackboneWeights& backbone,
                                 LaneInput input);

// Both at once, with nothing kept.
std::unique_ptr<Lane> prepare_lane(int index, const LaneOrder& order,
                                   const BackboneWeights& backbone, const Tokenizer& tokenizer);

}  // namespace graft
