// What both directions of a chunk's pass know of a sub-block; for chunk_pass*.cpp alone.
#pragma once

#include <ATen/core/Tensor.h>

#include "trainer/fast/chunk_pass.h"

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

// Attention goes row by row, both ways: use(row, shape, place of its first query among tokens or,
// in the last layer, rows; key of its weights' dropout; rule).
template <class T>
template <class Use>
void ChunkPass<T>::for_each_row(const Chunk& chunk, const PassLane<T>& lane, std::size_t layer,
                                bool last, Use use) const {
  const DropoutSite site = DropoutSite::attention_weights(layer);
  const DropoutRule rule = lane.dropout.rule(site, config_.attention_dropout);
  for (std::size_t r = 0; r < chunk.rows.size(); ++r) {
    const ChunkRow& row = chunk.rows[r];
    const AttentionShape shape{row.length, last ? 1 : row.length, config_.heads,
                               config_.hidden_size / config_.heads};
    use(row, shape, last ? static_cast<std::int64_t>(r) : row.begin,
        lane.dropout.key(site, row.row), rule);
  }
}

inline const float* data(const at::Tensor& tensor) {
  return tensor.const_data_ptr<float>();
}

inline const AdaptedSubBlock& sub_block(const Adapter& adapter, std::size_t layer, bool attention) {
  return attention ? adapter.layers[layer].attention : adapter.layers[layer].feed_forward;
}

}  // namespace graft
