// The layout of tapes.
#include "trainer/fast/tape.h"

#include <ATen/core/Tensor.h>

#include <algorithm>

#include "trainer/fast/packed_weights.h"

namespace graft {
namespace {

// Hands out aligned pieces of one block of memory; without memory it only counts.
class Arena {
 public:
  explicit Arena(std::byte* memory) : memory_(memory) {}

  template <class Value>
  Value* take(std::int64_t count) {
    Value* const piece = memory_ ? reinterpret_cast<Value*>(memory_ + used_) : nullptr;
    used_ += (static_cast<std::size_t>(count) * sizeof(Value) + 63) / 64 * 64;
    return piece;
  }
  std::size_t used() const { return used_; }
  void rewind() { used_ = 0; }

 private:
  std::byte* memory_;
  std::size_t used_ = 0;
};

template <class T>
void take_sub_block(Arena& arena, const BackboneConfig& config, const AdaptedSubBlock* part,
                    std::int64_t tokens, bool keep, SubBlockTape<T>& tape) {
  const std::int64_t hidden = config.hidden_size;
  const bool bottleneck = part && part->bottleneck;
  tape.input = arena.take<T>(tokens * hidden);
  if (bottleneck) {
    const std::int64_t padded = padded_size(part->bottleneck->down.weight.size(0));
    tape.after = arena.take<T>(tokens * padded);
    if (keep) tape.slope = arena.take<T>(tokens * padded);
  }
  if (!keep) return;
  tape.normed = arena.take<T>(tokens * hidden);
  tape.inverse = arena.take<float>(tokens);
  if (bottleneck && part->bottleneck->input == BottleneckInput::normed_sum) {
    tape.inner_normed = arena.take<T>(tokens * hidden);
    tape.inner_inverse = arena.take<float>(tokens);
  }
  if (part && part->norm) tape.norm_gradient = arena.take<float>(2 * hidden);
}

template <class T>
std::size_t lay_out(const BackboneConfig& config, const Adapter* adapter, const Chunk& chunk,
                    bool keep, std::byte* memory, Tape<T>& tape) {
  Arena arena(memory);
  tape.tokens = chunk.tokens;
  tape.rows = static_cast<std::int64_t>(chunk.rows.size());
  const auto layers = static_cast<std::size_t>(config.layers);
  const std::size_t frozen = !keep ? layers : adapter ? frozen_layers(*adapter) : layers;
  std::size_t largest = 0;
  for (std::size_t i = 0; i < layers; ++i) {
    if (i <= frozen) arena.rewind();
    const bool kept = i >= frozen;
    LayerTape<T>& layer = tape.layers.emplace_back();
    const std::int64_t tokens = i + 1 == layers ? tape.rows : tape.tokens;
    layer.query_key_value = arena.take<T>(tape.tokens * 3 * config.hidden_size);
    take_sub_block(arena, config, adapter ? &adapter->layers[i].attention : nullptr, tokens, kept,
                   layer.attention);
    layer.slope = kept ? arena.take<T>(tokens * config.intermediate_size) : nullptr;
    take_sub_block(arena, config, adapter ? &adapter->layers[i].feed_forward : nullptr, tokens,
                   kept, layer.feed_forward);
    largest = std::max(largest, arena.used());
  }
  return largest;
}

}  // namespace

template <class T>
std::size_t tape_bytes(const BackboneConfig& config, const Adapter* adapter, const Chunk& chunk,
                       bool keep) {
  Tape<T> unused;
  return lay_out(config, adapter, chunk, keep, nullptr, unused);
}

template <class T>
Tape<T> lay_out_tape(const BackboneConfig& config, const Adapter* adapter, const Chunk& chunk,
                     bool keep, std::byte* memory) {
  Tape<T> tape;
  lay_out(config, adapter, chunk, keep, memory, tape);
  return tape;
}

template std::size_t tape_bytes<float>(const BackboneConfig&, const Adapter*, const Chunk&, bool);
template std::size_t tape_bytes<BFloat16Bits>(const BackboneConfig&, const Adapter*, const Chunk&,
                                              bool);
template Tape<float> lay_out_tape(const BackboneConfig&, const Adapter*, const Chunk&, bool,
                                  std::byte*);
template Tape<BFloat16Bits> lay_out_tape(const BackboneConfig&, const Adapter*, const Chunk&, bool,
                                         std::byte*);

}  // namespace graft
