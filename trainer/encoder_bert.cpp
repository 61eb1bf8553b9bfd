// BERT (Devlin et al. 2019, post-LayerNorm) with bottleneck adapters (Houlsby et al. 2019).
#include "trainer/encoder_bert.h"

#include <torch/torch.h>

#include <cmath>

#include "trainer/padding.h"

namespace graft {
namespace {

// What every step of the pass needs, so that signatures stay short.
struct Pass {
  const BackboneWeights& backbone;
  const BackboneConfig& config;
  std::span<const EncoderLane> lanes;
  const PackedBatch& batch;
  at::IntArrayRef lane_sizes;  // (lanes) tokens of each lane, in the last layer its rows
};

// Dropout lane by lane: each lane's mask comes from its own stream. x: (tokens, width).
at::Tensor dropout(const Pass& pass, const at::Tensor& x, double probability) {
  if (!pass.lanes.front().dropout->active() || probability <= 0.0) return x;
  std::vector<at::Tensor> masks;
  for (std::size_t lane = 0; lane < pass.lanes.size(); ++lane)
    masks.push_back(
        pass.lanes[lane].dropout->mask({pass.lane_sizes[lane], x.size(1)}, probability));
  return x * (masks.size() == 1 ? masks.front() : at::cat(masks));
}

// -> (tokens, hidden)
at::Tensor embed(const Pass& pass) {
  const BackboneWeights& backbone = pass.backbone;
  at::Tensor x = at::embedding(backbone.word_embeddings, pass.batch.token_ids);  // (tokens, hidden)
  x += at::embedding(backbone.position_embeddings, pass.batch.position_ids);
  x += at::embedding(backbone.token_type_embeddings, pass.batch.token_type_ids);
  x = layer_norm(x, backbone.embeddings_norm, pass.config.layer_norm_epsilon);
  return dropout(pass, x, pass.config.hidden_dropout);
}

// softmax(QK'/sqrt(d))V of one bucket; q, k, v: (rows * length, hidden), padded -> the same shape.
at::Tensor attend(const Pass& pass, const AttentionBucket& bucket, const at::Tensor& q,
                  const at::Tensor& k, const at::Tensor& v) {
  const std::int64_t width = pass.config.hidden_size / pass.config.heads;
  const auto by_head = [&](const at::Tensor& x) {
    return x.view({bucket.rows, bucket.length, pass.config.heads, width}).transpose(1, 2);
  };
  const double scale = 1.0 / std::sqrt(static_cast<double>(width));
  at::Tensor scores = at::matmul(by_head(q) * scale, by_head(k).transpose(2, 3));
  if (bucket.mask.defined()) scores = scores + bucket.mask;  // (rows, heads, length, length)
  const at::Tensor weights = pass.lanes[bucket.lane].dropout->apply(
      at::softmax(scores, -1), pass.config.attention_dropout);  // (rows, heads, length, length)
  return at::matmul(weights, by_head(v))                        // (rows, heads, length, width)
      .transpose(1, 2)
      .reshape({bucket.rows * bucket.length, pass.config.hidden_size});
}

// x: (tokens, hidden) -> each head's weighted values side by side, (tokens, hidden).
at::Tensor self_attention(const Pass& pass, const BackboneLayer& layer, const at::Tensor& x) {
  const PackedBatch& batch = pass.batch;
  std::vector<std::int64_t> places;  // (buckets)
  for (const AttentionBucket& bucket : batch.buckets) places.push_back(bucket.rows * bucket.length);
  const auto project = [&](const Linear& parameters) {  // -> a bucket each, (places, hidden)
    return at::split_with_sizes(pad(linear(x, parameters), batch), places);
  };
  const auto queries = project(layer.query);
  const auto keys = project(layer.key);
  const auto values = project(layer.value);
  std::vector<at::Tensor> contexts;
  for (std::size_t b = 0; b < batch.buckets.size(); ++b)
    contexts.push_back(attend(pass, batch.buckets[b], queries[b], keys[b], values[b]));
  return unpad(contexts.size() == 1 ? contexts.front() : at::cat(contexts), batch);
}

// A(t) = up(act(down(t))); t: (lane's tokens, hidden) -> the same shape.
at::Tensor adapt(const Bottleneck& bottleneck, const at::Tensor& t) {
  return linear(activate(bottleneck.activation, linear(t, bottleneck.down)), bottleneck.up);
}

// out = LN(A(z) + z + x), or with A reading LN(z + x), for one lane's tokens; all (tokens, hidden).
at::Tensor close_lane(const Pass& pass, const AdaptedSubBlock& part, const LayerNorm& frozen_norm,
                      const at::Tensor& z, const at::Tensor& x) {
  const LayerNorm& norm = part.norm ? *part.norm : frozen_norm;
  const double epsilon = pass.config.layer_norm_epsilon;
  at::Tensor sum = z + x;
  if (part.bottleneck) {
    const bool reads_output = part.bottleneck->input == BottleneckInput::output;
    sum = sum + adapt(*part.bottleneck, reads_output ? z : layer_norm(sum, norm, epsilon));
  }
  return layer_norm(sum, norm, epsilon);
}

// Ends a sub-block: z its output after dropout, x its residual input; all (tokens, hidden).
at::Tensor close_sub_block(const Pass& pass, std::size_t layer_index,
                           AdaptedSubBlock AdapterLayer::*which, const LayerNorm& norm,
                           const at::Tensor& z, const at::Tensor& x) {
  static const AdaptedSubBlock plain;
  const auto part = [&](std::size_t lane) -> const AdaptedSubBlock& {
    const Adapter* adapter = pass.lanes[lane].adapter;
    return adapter ? adapter->layers[layer_index].*which : plain;
  };
  if (pass.lanes.size() == 1) return close_lane(pass, part(0), norm, z, x);
  const auto lane_z = at::split_with_sizes(z, pass.lane_sizes);
  const auto lane_x = at::split_with_sizes(x, pass.lane_sizes);
  std::vector<at::Tensor> results;
  for (std::size_t lane = 0; lane < pass.lanes.size(); ++lane)
    results.push_back(close_lane(pass, part(lane), norm, lane_z[lane], lane_x[lane]));
  return at::cat(results);
}

}  // namespace

at::Tensor encode(const BackboneWeights& backbone, std::span<const EncoderLane> lanes,
                  const PackedBatch& batch) {
  Pass pass{backbone, backbone.config, lanes, batch, batch.lane_tokens};
  const double probability = pass.config.hidden_dropout;
  at::Tensor x = embed(pass);  // (tokens, hidden)
  for (std::size_t i = 0; i < backbone.layers.size(); ++i) {
    const BackboneLayer& layer = backbone.layers[i];
    at::Tensor context = self_attention(pass, layer, x);  // (tokens, hidden)
    if (i + 1 == backbone.layers.size()) {
      // Nobody reads the other tokens of the last layer: from here on tokens are rows.
      context = context.index_select(0, batch.first_tokens);
      x = x.index_select(0, batch.first_tokens);
      pass.lane_sizes = batch.lane_rows;
    }
    at::Tensor z = linear(context, layer.attention_output);
    z = dropout(pass, z, probability);  // (tokens, hidden)
    x = close_sub_block(pass, i, &AdapterLayer::attention, layer.attention_norm, z, x);

    z = activate(pass.config.activation, linear(x, layer.intermediate));  // (tokens, intermediate)
    z = dropout(pass, linear(z, layer.output), probability);              // (tokens, hidden)
    x = close_sub_block(pass, i, &AdapterLayer::feed_forward, layer.output_norm, z, x);
  }
  return x;  // (rows, hidden)
}

}  // namespace graft
