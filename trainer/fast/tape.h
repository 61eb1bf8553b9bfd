// What a chunk's forward pass keeps for its way back, laid out in memory that the caller owns.
//
// Plain pointers: the layout has no state, a tape is used by one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "trainer/fast/chunks.h"
#include "trainer/model/adapter.h"
#include "trainer/model/backbone.h"

namespace graft {

template <class T>
struct SubBlockTape {
  T* input = nullptr;   // (tokens, hidden) what the bottleneck reads
  T* after = nullptr;   // (tokens, padded size) the bottleneck's activations
  T* slope = nullptr;   // (tokens, padded size) of the activation; later the gradient before it
  T* normed = nullptr;  // (tokens, hidden) LayerNorm's normalized sum; later the sum's gradient
  float* inverse = nullptr;   // (tokens) 1/deviation
  T* inner_normed = nullptr;  // of the LayerNorm before the bottleneck, where there is one
  float* inner_inverse = nullptr;
  float* norm_gradient = nullptr;  // (2, hidden): weight, bias; where they are trained
};

template <class T>
struct LayerTape {
  T* query_key_value = nullptr;  // (tokens, 3 * hidden)
  T* slope = nullptr;            // (tokens, intermediate) of the activation
  SubBlockTape<T> attention, feed_forward;
};

template <class T>
struct Tape {
  std::vector<LayerTape<T>> layers;
  std::int64_t tokens = 0, rows = 0;  // the last layer's later parts have rows instead of tokens
};

// Bytes that a chunk's tape takes, and the tape laid out in memory of that size, aligned to 64.
// keep: the trained layers have memory of their own, for a way back; all others share one's.
template <class T>
std::size_t tape_bytes(const BackboneConfig& config, const Adapter* adapter, const Chunk& chunk,
                       bool keep);
template <class T>
Tape<T> lay_out_tape(const BackboneConfig& config, const Adapter* adapter, const Chunk& chunk,
                     bool keep, std::byte* memory);

}  // namespace graft
