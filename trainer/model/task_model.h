// A task's model: adapter, head and what is needed to use them; and the forward pass of several.
//
// Not synchronised: one thread at a time, or nobody writes.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "trainer/contract/order.h"
#include "trainer/model/adapter.h"
#include "trainer/model/backbone.h"
#include "trainer/model/batching.h"
#include "trainer/model/dropout.h"
#include "trainer/model/heads.h"

namespace graft {

struct TaskModel {
  std::string name;                 // AdapterHub's, part of every key
  std::vector<std::string> labels;  // names of the outputs, in their order
  std::int64_t max_length = 128;    // tokens of a row
  Adapter adapter;
  Head head;
};

// Every trainable tensor by its key: the adapter's, then the head's.
template <class Visit>
void visit_tensors(ConstOrNot<TaskModel> auto& model, Visit visit) {
  visit_tensors(model.adapter, model.name, visit);
  visit_tensors(model.head, model.name, visit);
}

// The right shapes, all weights zero; LayerNorms as the backbone has them.
TaskModel make_task_model(const LaneOrder& order, const std::vector<std::string>& labels,
                          const BackboneWeights& backbone);

// Draws the start of training from the seed.
void initialize(TaskModel& model, const LaneOrder& order, const BackboneWeights& backbone);

struct ForwardLane {
  const TaskModel* model = nullptr;
  DropoutStream dropout;  // not active in evaluation
};

// One model a lane of the batch -> its logits, (lane's rows, outputs).
std::vector<at::Tensor> forward(const BackboneWeights& backbone, std::span<const ForwardLane> lanes,
                                const PackedBatch& batch);

// Logits of each chosen row alone, (outputs), without dropout and gradients: bits that depend on
// the row, the model and the backbone only. This is how predictions are computed, hence also the
// metrics that are told. kept: where a row's states behind layers that train nothing stay from call
// to call, by its place in `chosen`; empty: they are computed every time.
std::vector<at::Tensor> logits_of_rows(const BackboneWeights& backbone, const TaskModel& model,
                                       const LaneRows& rows, std::span<at::Tensor*> kept = {});

}  // namespace graft
