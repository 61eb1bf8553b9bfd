// Trains and evaluates task models with the fast pass: cuts rows into chunks, shares them among
// threads and adds up what comes back, always in the same order.
//
// Results depend on neither the number of threads nor on which lanes are trained together. A lane
// that the fast pass does not compute takes the readable one (task_model.h) while others stay fast;
// where the machine or the backbone does not allow the fast pass, all do. One thread calls; all
// tensors are float32.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "trainer/fast/chunks.h"
#include "trainer/fast/frozen_activations.h"
#include "trainer/fast/precision.h"
#include "trainer/fast/thread_pool.h"
#include "trainer/model/backbone.h"
#include "trainer/model/dropout.h"
#include "trainer/model/task_model.h"
#include "trainer/tasks/kind.h"

namespace graft {

struct EngineOptions {
  int threads = 1;  // at most
  Precision precision = Precision::automatic;
  std::filesystem::path cache_directory;  // for packed weights; empty: none
  bool fast = true;                       // false: the readable pass
  int threads_at_first = 0;               // 0: all
  FrozenActivations::Limits frozen = {};  // of what is kept of frozen layers
};

// One lane's share of a step.
struct LaneStep {
  const TaskModel* model = nullptr;  // its trainable tensors have .grad, zero at first
  LaneRows rows;
  const Kind* kind = nullptr;
  at::Tensor targets;     // of the rows: kind's batch()
  DropoutStream dropout;  // from the first trained layer on
};

struct LaneStepResult {
  double loss = 0;                      // mean over the rows
  std::optional<std::int64_t> correct;  // rows; none: the kind knows no such thing
  std::int64_t rows = 0, tokens = 0;
  double flops = 0;  // that its model needed, see training_flops()
};

class Engine {
 public:
  // Throws std::runtime_error where the wanted precision does not work here.
  Engine(const BackboneWeights& backbone, const EngineOptions& options);
  ~Engine();

  const BackboneWeights& backbone() const { return backbone_; }
  // Of the fast pass; nullopt: there is none here, the readable one is used for all.
  std::optional<Precision> precision() const { return precision_; }
  const ProductSpeeds& product_speeds() const { return speeds_; }
  // FLOP/s that the products of this precision reach on all threads that take part at first; 0:
  // unknown.
  double product_peak() const;
  ThreadPool& threads() { return threads_; }

  // Adds the gradients of each lane's mean loss to its tensors' .grad.
  std::vector<LaneStepResult> step(std::span<const LaneStep> lanes);

  // Without dropout: logits (chosen, classes) in the order chosen.
  at::Tensor logits(const TaskModel& model, const LaneRows& rows);

 private:
  class Passes;
  template <class T>
  class TypedPasses;

  bool takes_fast_pass(const TaskModel& model) const;
  std::vector<LaneStepResult> readable_step(std::span<const LaneStep> lanes);

  const BackboneWeights& backbone_;
  ThreadPool threads_;
  ProductSpeeds speeds_;
  std::optional<Precision> precision_;
  std::unique_ptr<Passes> passes_;  // nullptr: the readable pass
};

// Floating point operations that a training step on one row of this length needs at least, with
// nothing counted twice: frozen products forward and, above the lowest adapter, for the input's
// gradient; adapters' and head's three times. frozen_kept: what the frozen layers give was there.
double training_flops(const BackboneConfig& config, const TaskModel& model, std::int64_t length,
                      bool frozen_kept = false);

}  // namespace graft
