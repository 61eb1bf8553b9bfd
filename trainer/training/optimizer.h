// AdamW (Loshchilov and Hutter 2019) over all trainable tensors of a lane, in one pass over memory.
//
// The tensors become views into one array of values, their gradients into one of gradients:
// backward accumulates in place, and clipping, update, snapshot and restore are each one loop. Not
// synchronised.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "trainer/fast/thread_pool.h"

namespace graft {

class AdamW {
 public:
  // tensors: pointers to the model's own, which are replaced by views of the same values and shape
  // that require gradients, which are zero. Weight decay leaves vectors (biases, LayerNorms) alone.
  explicit AdamW(const std::vector<at::Tensor*>& tensors);

  // One update with decoupled weight decay, betas 0.9 and 0.999, epsilon 1e-8, of gradients scaled
  // to a global norm of at most largest_norm. Returns the norm before; where it is not finite
  // nothing is updated. Gradients are zero afterwards. The same bits with any number of threads.
  double update(double learning_rate, double weight_decay, double largest_norm,
                ThreadPool& threads);

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
  struct Block {  // what a thread takes at a time
    std::int64_t begin, end;
    bool decays;
  };

  std::vector<Block> blocks_;
  at::Tensor values_, gradients_;              // (parameters)
  at::Tensor first_moments_, second_moments_;  // (parameters)
  std::int64_t steps_ = 0;
};

}  // namespace graft
