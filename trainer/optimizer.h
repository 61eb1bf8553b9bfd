// AdamW (Loshchilov and Hutter 2019) over all trainable tensors of a lane, in one pass over memory.
//
// The tensors become views into one array of values, their gradients into one of gradients:
// backward accumulates in place, and clipping, update, snapshot and restore are each one loop. Not
// synchronised.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace graft {

class AdamW {
 public:
  // tensors: pointers to the model's own, which are replaced by views of the same values and shape
  // that require gradients. Weight decay leaves vectors (biases, LayerNorms) alone.
  explicit AdamW(const std::vector<at::Tensor*>& tensors);

  void zero_gradients();

  // Scales the gradients to a global norm of at most max_norm; returns the norm before.
  double clip_gradients(double max_norm);

  // One update with decoupled weight decay; betas 0.9 and 0.999, epsilon 1e-8.
  void step(double learning_rate, double weight_decay);

  std::int64_t parameters() const { return values_.numel(); }
  at::Tensor snapshot() const { return values_.clone(); }  // (parameters)
  void restore(const at::Tensor& snapshot) { values_.copy_(snapshot); }

  // All that the next step depends on; tensors of (parameters), copies.
  struct State {
    at::Tensor values, first_moments, second_moments;
    std::int64_t steps = 0;
  };
  State state() const;
  void restore(const State& state);

 private:
  struct Range {
    std::int64_t begin, end;
    bool decays;
  };

  std::vector<Range> ranges_;
  at::Tensor values_, gradients_;              // (parameters)
  at::Tensor first_moments_, second_moments_;  // (parameters)
  std::int64_t steps_ = 0;
};

}  // namespace graft
