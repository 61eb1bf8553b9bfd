// A chunk back through the network, and the gradients that it leaves.
#include <algorithm>

#include "trainer/fast/chunk_pass.h"
#include "trainer/fast/chunk_pass_parts.h"

namespace graft {

// x_: gradient of the sub-block's result -> sum_: gradient of the sum before the LayerNorm, which
// the residual passes on; gradient_short_: gradient of the output before dropout. At the floor only
// the bottleneck's own gradients are made.
template <class T>
void ChunkPass<T>::close_backward(const Part& part, SubBlockTape<T>& tape, std::int64_t tokens,
                                  DropoutRule rule, bool at_floor) {
  const std::int64_t hidden = config_.hidden_size;
  float* const weight_gradient = part.trains_norm ? tape.norm_gradient : nullptr;
  float* const bias_gradient = part.trains_norm ? tape.norm_gradient + hidden : nullptr;
  if (weight_gradient) std::fill_n(weight_gradient, 2 * hidden, 0.0f);
  kernels_.normalize_backward(x_.data(), tape.normed, tape.inverse, tokens, hidden,
                              part.norm_weight, sum_.data(), tape.normed, weight_gradient,
                              bias_gradient, false);
  const float* product = nullptr;
  if (part.bottleneck) {
    const PackedBottleneck<T>& packed = *part.packed;
    const std::int64_t padded = packed.down.n;
    multiply(static_cast<const T*>(tape.normed), hidden, tokens, packed.up_back, panel_.data(),
             [&](std::int64_t first, std::int64_t columns, const float* gradient) {
               kernels_.activate_backward(gradient, tape.slope + first, tokens, columns, padded,
                                          tape.slope + first);
             });
    const bool needs_input = !at_floor || (part.reads_normed_sum() && part.trains_norm);
    if (needs_input) {
      multiply_into(static_cast<const T*>(tape.slope), padded, tokens, packed.down_back, 0, padded,
                    panel_.data(), hidden, false);
      product = panel_.data();
    }
    if (needs_input && part.reads_normed_sum()) {
      kernels_.normalize_backward(product, tape.inner_normed, tape.inner_inverse, tokens, hidden,
                                  part.norm_weight, sum_.data(), nullptr, weight_gradient,
                                  bias_gradient, true);
      product = nullptr;
    }
  }
  if (!at_floor)
    kernels_.dropout_backward(sum_.data(), product, tokens, hidden, keys_.data(), elements_.data(),
                              rule, gradient_short_.data());
}

// panel_: gradient of context_ -> qkv_gradient_; in the last layer only rows' first queries have
// one.
template <class T>
void ChunkPass<T>::attend_backward(const Chunk& chunk, const PassLane<T>& lane, std::size_t layer,
                                   bool last, const LayerTape<T>& tape) {
  const std::int64_t hidden = config_.hidden_size;
  for_each_row(chunk, lane, layer, last,
               [&](const ChunkRow& row, const AttentionShape& shape, std::int64_t place,
                   std::uint64_t key, DropoutRule rule) {
                 kernels_.attention_backward(
                     shape, tape.query_key_value + row.begin * 3 * hidden, 3 * hidden, hidden,
                     2 * hidden, key, rule, panel_.data() + place * hidden, hidden,
                     qkv_gradient_.data() + row.begin * 3 * hidden, attention_scratch_.data());
               });
}

template <class T>
void ChunkPass<T>::backward(const Chunk& chunk, const PassLane<T>& lane, Floor floor, Tape<T>& tape,
                            const float* state_gradients) {
  const std::int64_t hidden = config_.hidden_size, intermediate = config_.intermediate_size;
  // Nothing behind the floor is without dropout.
  const DropoutRule rule = lane.dropout.rule(DropoutSite::head_input(), config_.hidden_dropout);
  reserve(chunk, lane.adapter);
  std::copy_n(state_gradients, tape.rows * hidden, x_.data());
  for (std::size_t layer = backbone_.layers.size(); layer-- > floor.layer;) {
    const PackedLayer<T>& packed = packed_.layers[layer];
    LayerTape<T>& kept = tape.layers[layer];
    const bool last = layer + 1 == backbone_.layers.size();
    const std::int64_t tokens = last ? tape.rows : tape.tokens;
    const bool lowest = layer == floor.layer;

    name_tokens(chunk, lane, DropoutSite::feed_forward_output(layer), last);
    close_backward(part_of(lane, layer, false), kept.feed_forward, tokens, rule,
                   lowest && !floor.attention);
    if (lowest && !floor.attention) return;
    multiply(static_cast<const T*>(gradient_short_.data()), hidden, tokens, packed.output_back,
             panel_.data(), [&](std::int64_t first, std::int64_t columns, const float* gradient) {
               kernels_.activate_backward(gradient, kept.slope + first, tokens, columns,
                                          intermediate, inner_.data() + first);
             });
    x_.swap(sum_);  // the residual's gradient, to which the product's is added
    multiply_into(static_cast<const T*>(inner_.data()), intermediate, tokens,
                  packed.intermediate_back, 0, intermediate, x_.data(), hidden, true);

    name_tokens(chunk, lane, DropoutSite::attention_output(layer), last);
    close_backward(part_of(lane, layer, true), kept.attention, tokens, rule, lowest);
    if (lowest) return;
    multiply_into(static_cast<const T*>(gradient_short_.data()), hidden, tokens,
                  packed.attention_output_back, 0, hidden, panel_.data(), hidden, false);
    attend_backward(chunk, lane, layer, last, kept);
    if (!last) {
      x_.swap(sum_);
      multiply_into(static_cast<const T*>(qkv_gradient_.data()), 3 * hidden, tokens,
                    packed.query_key_value_back, 0, 3 * hidden, x_.data(), hidden, true);
      continue;
    }
    // Keys and values of all tokens, queries and residuals of each row's first one.
    multiply_into(static_cast<const T*>(qkv_gradient_.data()) + hidden, 3 * hidden, chunk.tokens,
                  packed.query_key_value_back, hidden, 2 * hidden, x_.data(), hidden, false);
    for (std::size_t r = 0; r < chunk.rows.size(); ++r)
      std::copy_n(qkv_gradient_.data() + chunk.rows[r].begin * 3 * hidden, hidden,
                  gradient_short_.data() + static_cast<std::int64_t>(r) * hidden);
    multiply_into(static_cast<const T*>(gradient_short_.data()), hidden, tape.rows,
                  packed.query_key_value_back, 0, hidden, sum_.data(), hidden, true);
    for (std::size_t r = 0; r < chunk.rows.size(); ++r) {
      float* const to = x_.data() + chunk.rows[r].begin * hidden;
      const float* const from = sum_.data() + static_cast<std::int64_t>(r) * hidden;
      for (std::int64_t c = 0; c < hidden; ++c) to[c] += from[c];
    }
  }
}

template <class T>
void ChunkPass<T>::add_gradients(std::size_t layer, bool attention, const Adapter& adapter,
                                 std::span<const TapedChunk> chunks) {
  const AdaptedSubBlock& part = sub_block(adapter, layer, attention);
  const std::int64_t hidden = config_.hidden_size;
  const bool last = layer + 1 == backbone_.layers.size();
  const auto gradient = [](const at::Tensor& tensor) {
    return tensor.grad().mutable_data_ptr<float>();
  };
  for (const TapedChunk& chunk : chunks) {
    const std::int64_t tokens = last ? chunk.tape->rows : chunk.tape->tokens;
    const SubBlockTape<T>& tape =
        attention ? chunk.tape->layers[layer].attention : chunk.tape->layers[layer].feed_forward;
    if (part.norm) {
      float* const weight = gradient(part.norm->weight);
      float* const bias = gradient(part.norm->bias);
      for (std::int64_t c = 0; c < hidden; ++c) weight[c] += tape.norm_gradient[c];
      for (std::int64_t c = 0; c < hidden; ++c) bias[c] += tape.norm_gradient[hidden + c];
    }
    if (!part.bottleneck) continue;
    const std::int64_t size = part.bottleneck->down.weight.size(0);
    const std::int64_t padded = padded_size(size);
    // Tokens are what is summed over; few different counts, so that few kernels are built.
    const std::int64_t depth = (tokens + 15) / 16 * 16;
    left_.resize(static_cast<std::size_t>(depth * std::max(hidden, padded)));
    right_.resize(static_cast<std::size_t>(depth * std::max(hidden, padded)));
    // grad (rows, columns) += left' right; left (tokens, left_width), right (tokens, right_width)
    const auto add_product = [&](const T* left, std::int64_t left_width, std::int64_t rows,
                                 const T* right, std::int64_t right_width, std::int64_t columns,
                                 float* grad) {
      kernels_.transpose(left, tokens, left_width, left_.data(), depth);
      kernels_.pack_rows(right, right_width, tokens, depth, right_width, right_.data());
      const PackedOperand<T> operand{right_.data(), depth, right_width};
      for (std::int64_t p = 0; p * panel_width<T> < columns; ++p)
        multiply_panel(left_.data(), depth, rows, depth, operand.panel(p), operand.panel_columns(p),
                       std::min(panel_width<T>, columns - p * panel_width<T>),
                       grad + p * panel_width<T>, columns, true);
    };
    const Linear& down = part.bottleneck->down;
    const Linear& up = part.bottleneck->up;
    add_product(tape.slope, padded, size, tape.input, hidden, hidden, gradient(down.weight));
    kernels_.add_columns(tape.slope, tokens, size, padded, gradient(down.bias));
    add_product(tape.normed, hidden, hidden, tape.after, padded, size, gradient(up.weight));
    kernels_.add_columns(tape.normed, tokens, hidden, hidden, gradient(up.bias));
  }
}

template void ChunkPass<float>::backward(const Chunk&, const PassLane<float>&, Floor, Tape<float>&,
                                         const float*);
template void ChunkPass<BFloat16Bits>::backward(const Chunk&, const PassLane<BFloat16Bits>&, Floor,
                                                Tape<BFloat16Bits>&, const float*);
template void ChunkPass<float>::add_gradients(std::size_t, bool, const Adapter&,
                                              std::span<const TapedChunk>);
template void ChunkPass<BFloat16Bits>::add_gradients(std::size_t, bool, const Adapter&,
                                                     std::span<const TapedChunk>);

}  // namespace graft
