// What both directions of a chunk's pass know of a sub-block; for chunk_pass*.cpp alone.
#pragma once

#include <ATen/core/Tensor.h>

#include "trainer/chunk_pass.h"

namespace graft {

// What a sub-block of a lane has: its bottleneck, if any, and the LayerNorm that counts.
template <class T>
struct ChunkPass<T>::Part {
  const Bottleneck* bottleneck;  // nullptr: none
  const PackedBottleneck<T>* packed;
  const float* norm_weight;
  const float* norm_bias;
  bool trains_norm;
  bool reads_normed_sum() const {
    return bottleneck && bottleneck->input == BottleneckInput::normed_sum;
  }
};

inline const float* data(const at::Tensor& tensor) {
  return tensor.const_data_ptr<float>();
}

inline const AdaptedSubBlock& sub_block(const Adapter& adapter, std::size_t layer, bool attention) {
  return attention ? adapter.layers[layer].attention : adapter.layers[layer].feed_forward;
}

}  // namespace graft
