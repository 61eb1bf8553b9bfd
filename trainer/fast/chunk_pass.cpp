// A chunk forward through the network, in order. What each stage reads and leaves:
//
//   stage                  reads                         leaves
//   embed / load_frozen    tables, kept states           x_, x_short_
//   project (q, k, v)      x_short_                      tape.query_key_value
//   attend                 tape.query_key_value          context_  (scratch: attention_scratch_)
//   (last layer: x_ is drawn together to rows' first tokens; tokens are rows from here on)
//   project_dropped        context_                      z: tape.attention.input, or z_
//   close, attention       z, x_ (the residual)          x_, x_short_, tape.attention
//   intermediate           x_short_                      inner_, tape.slope
//   project_dropped        inner_                        z: tape.feed_forward.input, or z_
//   close, feed forward    z, x_ (the residual)          x_, x_short_, tape.feed_forward
//   forward                x_                            states, for the head
//
// panel_ holds products for a moment in every stage; keys_ and elements_ name the tokens for the
// dropout at hand. On the way back, chunk_pass_backward.cpp: x_ is the gradient of a sub-block's
// result, sum_ that of the sum before its LayerNorm (both swap), gradient_short_ that of the
// sub-block's output, inner_ that of the intermediate sums, qkv_gradient_ that of q, k and v, and
// left_, right_ are operands of the gradient products.
#include "trainer/fast/chunk_pass.h"

#include <algorithm>
#include <cstring>

#include "trainer/fast/chunk_pass_parts.h"

namespace graft {

std::optional<Floor> lowest_trainable(const Adapter& adapter) {
  for (std::size_t i = 0; i < adapter.layers.size(); ++i)
    for (const bool attention : {true, false})
      if (sub_block(adapter, i, attention).trains()) return Floor{i, attention};
  return std::nullopt;
}

template <class T>
ChunkPass<T>::ChunkPass(const BackboneWeights& backbone, const PackedBackbone<T>& packed)
    : backbone_(backbone),
      packed_(packed),
      config_(backbone.config),
      kernels_(vector_kernels<T>()) {}

template <class T>
void ChunkPass<T>::reserve(const Chunk& chunk, const Adapter* adapter) {
  const std::int64_t longest = chunk.rows.front().length;
  const std::int64_t widest =
      std::max(config_.intermediate_size, adapter ? padded_size(adapter->size) : 0);
  if (chunk.tokens > tokens_ || widest > widest_) {
    tokens_ = std::max(tokens_, chunk.tokens);
    widest_ = std::max(widest_, widest);
    const auto count = static_cast<std::size_t>(tokens_);
    const auto hidden = static_cast<std::size_t>(config_.hidden_size);
    x_.resize(count * hidden);
    sum_.resize(count * hidden);
    x_short_.resize(count * hidden);
    context_.resize(count * hidden);
    z_.resize(count * hidden);
    gradient_short_.resize(count * hidden);
    inner_.resize(count * static_cast<std::size_t>(widest_));
    qkv_gradient_.resize(count * 3 * hidden);
    panel_.resize(count * std::max<std::size_t>(hidden, static_cast<std::size_t>(panel_width<T>)));
    keys_.resize(count);
    elements_.resize(count);
  }
  if (longest > longest_) {
    longest_ = longest;
    const AttentionShape shape{longest, longest, config_.heads,
                               config_.hidden_size / config_.heads};
    attention_scratch_.resize(static_cast<std::size_t>(attention_scratch(shape)));
  }
}

template <class T>
typename ChunkPass<T>::Part ChunkPass<T>::part_of(const PassLane<T>& lane, std::size_t layer,
                                                  bool attention) const {
  const LayerNorm& frozen =
      attention ? backbone_.layers[layer].attention_norm : backbone_.layers[layer].output_norm;
  Part part{nullptr, nullptr, data(frozen.weight), data(frozen.bias), false};
  if (!lane.adapter) return part;
  const AdaptedSubBlock& own = sub_block(*lane.adapter, layer, attention);
  if (own.bottleneck) {
    part.bottleneck = &*own.bottleneck;
    part.packed = &lane.packed->bottleneck(layer, attention);
  }
  if (own.norm) {
    part.norm_weight = data(own.norm->weight);
    part.norm_bias = data(own.norm->bias);
    part.trains_norm = true;
  }
  return part;
}

// keys_ and elements_ of each token, or of each row's first one.
template <class T>
void ChunkPass<T>::name_tokens(const Chunk& chunk, const PassLane<T>& lane, DropoutSite site,
                               bool rows_only) {
  if (lane.dropout.rule(site, config_.hidden_dropout).threshold == 0) return;
  const std::int64_t stride = dropout_stride(config_.hidden_size);
  std::size_t i = 0;
  for (const ChunkRow& row : chunk.rows) {
    const std::uint64_t key = lane.dropout.key(site, row.row);
    for (std::int64_t t = 0; t < (rows_only ? 1 : row.length); ++t, ++i) {
      keys_[i] = key;
      elements_[i] = t * stride;
    }
  }
}

// -> x_, x_short_ (tokens, hidden)
template <class T>
void ChunkPass<T>::embed(const Chunk& chunk, const PassLane<T>& lane) {
  const std::int64_t hidden = config_.hidden_size;
  const float* const words = data(backbone_.word_embeddings);
  const float* const positions = data(backbone_.position_embeddings);
  const float* const types = data(backbone_.token_type_embeddings);
  float* out = x_.data();
  for (const ChunkRow& row : chunk.rows) {
    for (std::int64_t t = 0; t < row.length; ++t, out += hidden) {
      const float* const word = words + row.ids[t] * hidden;
      const float* const position = positions + t * hidden;
      const float* const type = types + row.types[t] * hidden;
      for (std::int64_t c = 0; c < hidden; ++c) out[c] = word[c] + position[c] + type[c];
    }
  }
  const LayerNorm& norm = backbone_.embeddings_norm;
  kernels_.normalize(x_.data(), chunk.tokens, hidden, data(norm.weight), data(norm.bias),
                     static_cast<float>(config_.layer_norm_epsilon), x_.data(), nullptr, nullptr,
                     nullptr);
  name_tokens(chunk, lane, DropoutSite::embeddings(), false);
  kernels_.dropout(x_.data(), chunk.tokens, hidden, keys_.data(), elements_.data(),
                   lane.dropout.rule(DropoutSite::embeddings(), config_.hidden_dropout));
  kernels_.narrow(x_.data(), chunk.tokens * hidden, x_short_.data());
}

// tape.query_key_value -> context_ (tokens or, in the last layer, rows; hidden)
template <class T>
void ChunkPass<T>::attend(const Chunk& chunk, const PassLane<T>& lane, std::size_t layer, bool last,
                          const LayerTape<T>& tape) {
  const std::int64_t hidden = config_.hidden_size;
  for_each_row(chunk, lane, layer, last,
               [&](const ChunkRow& row, const AttentionShape& shape, std::int64_t place,
                   std::uint64_t key, DropoutRule rule) {
                 kernels_.attention(shape, tape.query_key_value + row.begin * 3 * hidden,
                                    3 * hidden, hidden, 2 * hidden, key, rule,
                                    context_.data() + place * hidden, hidden,
                                    attention_scratch_.data());
               });
}

// Ends a sub-block: z (tokens, hidden) its output after dropout, x_ its residual input -> x_,
// x_short_.
template <class T>
void ChunkPass<T>::close(const Part& part, SubBlockTape<T>& tape, std::int64_t tokens, const T* z) {
  const std::int64_t hidden = config_.hidden_size;
  const auto epsilon = static_cast<float>(config_.layer_norm_epsilon);
  const float* product = nullptr;
  const float* product_bias = nullptr;
  if (part.bottleneck) {
    if (part.reads_normed_sum())
      kernels_.close_sub_block(nullptr, nullptr, z, x_.data(), tokens, hidden, part.norm_weight,
                               part.norm_bias, epsilon, nullptr, tape.input, tape.inner_normed,
                               tape.inner_inverse);
    const PackedBottleneck<T>& packed = *part.packed;
    const std::int64_t padded = packed.down.n;
    multiply(tape.input, hidden, tokens, packed.down, panel_.data(),
             [&](std::int64_t first, std::int64_t columns, const float* sums) {
               kernels_.activate(part.bottleneck->activation, sums, packed.down_bias.data() + first,
                                 tokens, columns, tape.after + first,
                                 tape.slope ? tape.slope + first : nullptr, padded);
             });
    multiply_into(static_cast<const T*>(tape.after), padded, tokens, packed.up, 0, padded,
                  panel_.data(), hidden, false);
    product = panel_.data();
    product_bias = data(part.bottleneck->up.bias);
  }
  kernels_.close_sub_block(product, product_bias, z, x_.data(), tokens, hidden, part.norm_weight,
                           part.norm_bias, epsilon, x_.data(), x_short_.data(), tape.normed,
                           tape.inverse);
}

// x_, x_short_ -> x_, x_short_ after layer `layer`; in the last one only rows' first tokens remain.
template <class T>
void ChunkPass<T>::run_layer(const Chunk& chunk, const PassLane<T>& lane, std::size_t layer,
                             LayerTape<T>& tape) {
  const BackboneLayer& weights = backbone_.layers[layer];
  const PackedLayer<T>& packed = packed_.layers[layer];
  const std::int64_t hidden = config_.hidden_size, intermediate = config_.intermediate_size;
  const bool last = layer + 1 == backbone_.layers.size();

  const auto project = [&](const PackedOperand<T>& operand, const at::Tensor& bias,
                           std::int64_t column) {
    multiply(static_cast<const T*>(x_short_.data()), hidden, chunk.tokens, operand, panel_.data(),
             [&](std::int64_t first, std::int64_t columns, const float* product) {
               kernels_.add_bias(product, data(bias) + first, chunk.tokens, columns,
                                 tape.query_key_value + column + first, 3 * hidden);
             });
  };
  project(packed.query, weights.query.bias, 0);
  project(packed.key, weights.key.bias, hidden);
  project(packed.value, weights.value.bias, 2 * hidden);
  attend(chunk, lane, layer, last, tape);  // context_

  std::int64_t tokens = chunk.tokens;
  if (last) {  // nobody reads the other tokens: from here on tokens are rows
    tokens = static_cast<std::int64_t>(chunk.rows.size());
    for (std::size_t r = 0; r < chunk.rows.size(); ++r)
      std::memmove(x_.data() + static_cast<std::int64_t>(r) * hidden,
                   x_.data() + chunk.rows[r].begin * hidden,
                   static_cast<std::size_t>(hidden) * sizeof(float));
  }
  // z = dropout(input W' + b)
  const auto project_dropped = [&](const T* input, std::int64_t width,
                                   const PackedOperand<T>& operand, const at::Tensor& bias,
                                   DropoutSite site, T* z) {
    name_tokens(chunk, lane, site, last);
    multiply_into(input, width, tokens, operand, 0, width, panel_.data(), hidden, false);
    kernels_.add_bias_dropout(panel_.data(), data(bias), tokens, hidden, keys_.data(),
                              elements_.data(), lane.dropout.rule(site, config_.hidden_dropout), z);
  };

  const Part attention = part_of(lane, layer, true);
  T* z = attention.reads_normed_sum() ? z_.data() : tape.attention.input;
  project_dropped(context_.data(), hidden, packed.attention_output, weights.attention_output.bias,
                  DropoutSite::attention_output(layer), z);
  close(attention, tape.attention, tokens, z);

  multiply(static_cast<const T*>(x_short_.data()), hidden, tokens, packed.intermediate,
           panel_.data(), [&](std::int64_t first, std::int64_t columns, const float* product) {
             kernels_.activate(config_.activation, product, data(weights.intermediate.bias) + first,
                               tokens, columns, inner_.data() + first,
                               tape.slope ? tape.slope + first : nullptr, intermediate);
           });
  const Part feed_forward = part_of(lane, layer, false);
  z = feed_forward.reads_normed_sum() ? z_.data() : tape.feed_forward.input;
  project_dropped(inner_.data(), intermediate, packed.output, weights.output.bias,
                  DropoutSite::feed_forward_output(layer), z);
  close(feed_forward, tape.feed_forward, tokens, z);
}

// Tokens of a row that the frozen layers leave: all, or behind the last layer the first one.
template <class T>
std::int64_t ChunkPass<T>::frozen_tokens(const ChunkRow& row, const PassLane<T>& lane) const {
  return lane.frozen_layers == backbone_.layers.size() ? 1 : row.length;
}

// -> x_, x_short_ behind the frozen layers; false: not all rows are kept, nothing is done.
template <class T>
bool ChunkPass<T>::load_frozen(const Chunk& chunk, const PassLane<T>& lane) {
  if (!lane.kept) return false;
  const auto kept = [&](const ChunkRow& row) {
    return lane.kept->find(static_cast<std::size_t>(row.source_row));
  };
  if (!std::all_of(chunk.rows.begin(), chunk.rows.end(), kept)) return false;
  std::int64_t elements = 0;
  for (const ChunkRow& row : chunk.rows) {
    const std::int64_t count = frozen_tokens(row, lane) * config_.hidden_size;
    std::memcpy(x_short_.data() + elements, kept(row), static_cast<std::size_t>(count) * sizeof(T));
    elements += count;
  }
  kernels_.widen(x_short_.data(), elements, x_.data());
  return true;
}

// x_short_ behind the frozen layers is what training goes on from, kept or not: same bits.
template <class T>
void ChunkPass<T>::keep_frozen(const Chunk& chunk, const PassLane<T>& lane) {
  std::int64_t elements = 0;
  for (const ChunkRow& row : chunk.rows) {
    const std::int64_t count = frozen_tokens(row, lane) * config_.hidden_size;
    if (lane.kept)
      lane.kept->keep(
          static_cast<std::size_t>(row.source_row),
          std::as_bytes(std::span(x_short_.data() + elements, static_cast<std::size_t>(count))));
    elements += count;
  }
  kernels_.widen(x_short_.data(), elements, x_.data());
}

template <class T>
bool ChunkPass<T>::forward(const Chunk& chunk, const PassLane<T>& lane, Tape<T>& tape,
                           float* states) {
  const std::int64_t hidden = config_.hidden_size;
  reserve(chunk, lane.adapter);
  const bool kept = lane.frozen_layers > 0 && load_frozen(chunk, lane);
  if (!kept) {
    embed(chunk, lane);
    for (std::size_t layer = 0; layer < lane.frozen_layers; ++layer)
      run_layer(chunk, lane, layer, tape.layers[layer]);
    if (lane.frozen_layers > 0) keep_frozen(chunk, lane);
  }
  for (std::size_t layer = lane.frozen_layers; layer < backbone_.layers.size(); ++layer)
    run_layer(chunk, lane, layer, tape.layers[layer]);
  std::memcpy(states, x_.data(), static_cast<std::size_t>(tape.rows * hidden) * sizeof(float));
  return kept;
}

// All but what chunk_pass_backward.cpp defines.
template class ChunkPass<float>;
template class ChunkPass<BFloat16Bits>;

}  // namespace graft
