// BERT (Devlin et al. 2019, post-LayerNorm) with bottleneck adapters (Houlsby et al. 2019).
#include "trainer/model/encoder_bert.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "trainer/model/padding.h"

namespace graft {
namespace {

// What every step of the pass needs, so that signatures stay short.
struct Pass {
  const BackboneWeights& backbone;
  const BackboneConfig& config;
  std::span<const EncoderLane> lanes;
  const PackedBatch& batch;
  at::IntArrayRef lane_sizes;  // (lanes) tokens of each lane, later of what is read of them

  // Whether all lanes read first tokens alone: then the others can be left behind early.
  bool reads_first_tokens() const {
    return std::ranges::all_of(
        lanes, [](const EncoderLane& lane) { return lane.readout == Readout::cls; });
  }
};

// x: (tokens, width), or (rows, width) of the rows' first tokens in the order asked for.
at::Tensor dropout(const Pass& pass, const at::Tensor& x, DropoutSite site, double probability,
                   bool first_tokens) {
  DropoutRule rule;  // that of all lanes that drop out here
  for (const EncoderLane& lane : pass.lanes) {
    const DropoutRule own = lane.dropout.rule(site, probability);
    if (own.threshold != 0) rule = own;
  }
  if (rule.threshold == 0) return x;
  const std::int64_t stride = dropout_stride(x.size(1));
  std::vector<std::uint64_t> keys;
  std::vector<std::int64_t> elements;
  if (first_tokens) {
    for (std::size_t lane = 0; lane < pass.lanes.size(); ++lane)
      for (std::int64_t row = 0; row < pass.batch.lane_rows[lane]; ++row)
        keys.push_back(pass.lanes[lane].dropout.key(site, row));
    elements.assign(keys.size(), 0);
  } else {
    for (const PackedRow& row : pass.batch.rows) {
      keys.insert(keys.end(), static_cast<std::size_t>(row.length),
                  pass.lanes[row.lane].dropout.key(site, row.row));
      for (std::int64_t t = 0; t < row.length; ++t) elements.push_back(t * stride);
    }
  }
  const at::Tensor mask = dropout_mask(keys, elements, x.size(1), rule);
  std::int64_t begin = 0;
  for (std::size_t lane = 0; lane < pass.lanes.size(); ++lane) {
    const std::int64_t count = pass.lane_sizes[lane];
    if (pass.lanes[lane].dropout.rule(site, probability).threshold == 0)
      mask.narrow(0, begin, count).fill_(1.0);
    begin += count;
  }
  return x * mask;
}

// weights (rows, heads, length, length) of one bucket, whose first row is first_row of the batch.
at::Tensor drop_weights(const Pass& pass, const AttentionBucket& bucket, std::size_t first_row,
                        const at::Tensor& weights, std::size_t layer) {
  const DropoutSite site = DropoutSite::attention_weights(layer);
  const DropoutStream& dropout = pass.lanes[bucket.lane].dropout;
  const DropoutRule rule = dropout.rule(site, pass.config.attention_dropout);
  if (rule.threshold == 0) return weights;
  at::Tensor mask = at::ones_like(weights);
  for (std::int64_t r = 0; r < bucket.rows; ++r) {
    const PackedRow& row = pass.batch.rows[first_row + static_cast<std::size_t>(r)];
    const std::int64_t queries = pass.config.heads * row.length;
    const std::int64_t stride = dropout_stride(row.length);
    const std::vector<std::uint64_t> keys(static_cast<std::size_t>(queries),
                                          dropout.key(site, row.row));
    std::vector<std::int64_t> elements;
    for (std::int64_t q = 0; q < queries; ++q) elements.push_back(q * stride);
    mask[r]
        .slice(1, 0, row.length)
        .slice(2, 0, row.length)
        .copy_(dropout_mask(keys, elements, row.length, rule)
                   .view({pass.config.heads, row.length, row.length}));
  }
  return weights * mask;
}

// -> (tokens, hidden)
at::Tensor embed(const Pass& pass) {
  const BackboneWeights& backbone = pass.backbone;
  at::Tensor x = at::embedding(backbone.word_embeddings, pass.batch.token_ids);  // (tokens, hidden)
  x += at::embedding(backbone.position_embeddings, pass.batch.position_ids);
  x += at::embedding(backbone.token_type_embeddings, pass.batch.token_type_ids);
  x = layer_norm(x, backbone.embeddings_norm, pass.config.layer_norm_epsilon);
  return dropout(pass, x, DropoutSite::embeddings(), pass.config.hidden_dropout, false);
}

// softmax(QK'/sqrt(d))V of one bucket; q, k, v: (rows * length, hidden), padded -> the same shape.
at::Tensor attend(const Pass& pass, std::size_t layer, const AttentionBucket& bucket,
                  std::size_t first_row, const at::Tensor& q, const at::Tensor& k,
                  const at::Tensor& v) {
  const std::int64_t width = pass.config.hidden_size / pass.config.heads;
  const auto by_head = [&](const at::Tensor& x) {
    return x.view({bucket.rows, bucket.length, pass.config.heads, width}).transpose(1, 2);
  };
  const double scale = 1.0 / std::sqrt(static_cast<double>(width));
  at::Tensor scores = at::matmul(by_head(q) * scale, by_head(k).transpose(2, 3));
  if (bucket.mask.defined()) scores = scores + bucket.mask;  // (rows, heads, length, length)
  const at::Tensor weights = drop_weights(pass, bucket, first_row, at::softmax(scores, -1), layer);
  return at::matmul(weights, by_head(v))  // (rows, heads, length, width)
      .transpose(1, 2)
      .reshape({bucket.rows * bucket.length, pass.config.hidden_size});
}

// x: (tokens, hidden) -> each head's weighted values side by side, (tokens, hidden).
at::Tensor self_attention(const Pass& pass, std::size_t layer_index, const at::Tensor& x) {
  const BackboneLayer& layer = pass.backbone.layers[layer_index];
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
  std::size_t first_row = 0;
  for (std::size_t b = 0; b < batch.buckets.size(); ++b) {
    contexts.push_back(
        attend(pass, layer_index, batch.buckets[b], first_row, queries[b], keys[b], values[b]));
    first_row += static_cast<std::size_t>(batch.buckets[b].rows);
  }
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

// x -> behind layer `index`: (tokens, hidden), behind the last one (rows, hidden) of first tokens
// where nobody reads more.
at::Tensor run_layer(Pass& pass, std::size_t index, at::Tensor x) {
  const BackboneLayer& layer = pass.backbone.layers[index];
  const double probability = pass.config.hidden_dropout;
  const bool leave_others = index + 1 == pass.backbone.layers.size() && pass.reads_first_tokens();
  at::Tensor context = self_attention(pass, index, x);  // (tokens, hidden)
  if (leave_others) {                                   // from here on tokens are rows
    context = context.index_select(0, pass.batch.first_tokens);
    x = x.index_select(0, pass.batch.first_tokens);
    pass.lane_sizes = pass.batch.lane_rows;
  }
  at::Tensor z = linear(context, layer.attention_output);
  z = dropout(pass, z, DropoutSite::attention_output(index), probability, leave_others);
  x = close_sub_block(pass, index, &AdapterLayer::attention, layer.attention_norm, z, x);

  z = activate(pass.config.activation, linear(x, layer.intermediate));  // (tokens, intermediate)
  z = dropout(pass, linear(z, layer.output), DropoutSite::feed_forward_output(index), probability,
              leave_others);  // (tokens, hidden)
  return close_sub_block(pass, index, &AdapterLayer::feed_forward, layer.output_norm, z, x);
}

// x: behind the last layer -> what each row's lane reads of it, (rows, hidden).
at::Tensor read_out(const Pass& pass, const at::Tensor& x) {
  if (pass.reads_first_tokens()) return x;
  const PackedBatch& batch = pass.batch;
  const at::Tensor first_tokens = x.index_select(0, batch.first_tokens);  // (rows, hidden)
  std::vector<std::int64_t> first_rows;                                   // (lanes)
  std::int64_t rows = 0;
  for (const std::int64_t count : batch.lane_rows) {
    first_rows.push_back(rows);
    rows += count;
  }
  std::vector<at::Tensor> states(static_cast<std::size_t>(rows));
  std::int64_t begin = 0;
  for (const PackedRow& row : batch.rows) {
    const std::int64_t place = first_rows[row.lane] + row.row;
    states[static_cast<std::size_t>(place)] = pass.lanes[row.lane].readout == Readout::mean
                                                  ? x.narrow(0, begin, row.length).mean(0)
                                                  : first_tokens[place];
    begin += row.length;
  }
  return at::stack(states);
}

}  // namespace

at::Tensor encode(const BackboneWeights& backbone, std::span<const EncoderLane> lanes,
                  const PackedBatch& batch) {
  Pass pass{backbone, backbone.config, lanes, batch, batch.lane_tokens};
  at::Tensor x = embed(pass);  // (tokens, hidden)
  for (std::size_t i = 0; i < backbone.layers.size(); ++i) x = run_layer(pass, i, x);
  return read_out(pass, x);
}

std::vector<at::Tensor> encode_apart(const BackboneWeights& backbone, const EncoderLane& lane,
                                     std::span<const PackedBatch> batches, FrozenStates frozen) {
  std::vector<Pass> passes;
  std::vector<at::Tensor> x(batches.size());
  bool all_kept = !frozen.kept.empty();
  for (std::size_t i = 0; i < batches.size(); ++i) {
    passes.push_back({backbone, backbone.config, {&lane, 1}, batches[i], batches[i].lane_tokens});
    all_kept = all_kept && frozen.kept[i]->defined();
  }
  for (std::size_t i = 0; i < batches.size(); ++i)
    x[i] = all_kept ? *frozen.kept[i] : embed(passes[i]);
  for (std::size_t layer = all_kept ? frozen.layers : 0; layer < backbone.layers.size(); ++layer) {
    if (layer == frozen.layers) frozen.keep(x);
    for (std::size_t i = 0; i < batches.size(); ++i) x[i] = run_layer(passes[i], layer, x[i]);
  }
  if (frozen.layers == backbone.layers.size()) frozen.keep(x);
  for (std::size_t i = 0; i < batches.size(); ++i) x[i] = read_out(passes[i], x[i]);
  return x;
}

void FrozenStates::keep(std::span<const at::Tensor> states) const {
  for (std::size_t i = 0; i < kept.size(); ++i) *kept[i] = states[i];
}

}  // namespace graft
