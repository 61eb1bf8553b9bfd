// Dropout whose masks are a function of (seed, number of the draw, element) and of nothing else:
// not of other lanes, of threads, of the device or of what was drawn elsewhere.
//
// One stream a lane and step, used by one thread.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace graft {

class DropoutStream {
 public:
  // Drops nothing: evaluation.
  DropoutStream() = default;

  // Training; the same seed and step give the same masks in the same order of calls.
  DropoutStream(std::uint64_t seed, std::uint64_t step);

  bool active() const { return active_; }

  // Mask of 0 and 1/(1-probability), float32, of the given shape; takes one draw of the stream.
  at::Tensor mask(at::IntArrayRef shape, double probability);

  // x times such a mask, or x itself where the stream is not active or probability is 0.
  at::Tensor apply(const at::Tensor& x, double probability);

 private:
  bool active_ = false;
  std::uint64_t key_ = 0;
  std::uint64_t draws_ = 0;
};

}  // namespace graft
