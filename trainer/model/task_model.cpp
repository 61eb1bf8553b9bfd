// Models of tasks.
#include "trainer/model/task_model.h"

#include <torch/torch.h>

#include <numeric>

#include "trainer/model/encoder_bert.h"

namespace graft {

TaskModel make_task_model(const LaneOrder& order, const std::vector<std::string>& labels,
                          const BackboneWeights& backbone) {
  const BackboneConfig& config = backbone.config;
  TaskModel model;
  model.name = order.adapter_name;
  model.labels = labels;
  model.max_length = order.max_length;
  model.adapter = make_adapter({order.method, order.size, order.activation, order.train_layer_norm,
                                config.layers, config.hidden_size, order.leave_out});
  model.head = make_head(config.hidden_size, static_cast<std::int64_t>(labels.size()));
  for (std::size_t i = 0; i < model.adapter.layers.size(); ++i) {
    const auto copy = [](const LayerNorm& norm) {
      return LayerNorm{norm.weight.clone(), norm.bias.clone()};
    };
    AdapterLayer& layer = model.adapter.layers[i];
    if (layer.attention.norm) layer.attention.norm = copy(backbone.layers[i].attention_norm);
    if (layer.feed_forward.norm) layer.feed_forward.norm = copy(backbone.layers[i].output_norm);
  }
  return model;
}

void initialize(TaskModel& model, const LaneOrder& order, const BackboneWeights& backbone) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(order.seed);
  initialize(model.adapter, order.init_std, generator);
  initialize(model.head, backbone.config.initializer_range, generator);
}

std::vector<at::Tensor> forward(const BackboneWeights& backbone, std::span<const ForwardLane> lanes,
                                const PackedBatch& batch) {
  std::vector<EncoderLane> encoder_lanes;
  for (const ForwardLane& lane : lanes)
    encoder_lanes.push_back({&lane.model->adapter, lane.dropout, lane.model->head.readout});
  const at::Tensor states = encode(backbone, encoder_lanes, batch);  // (rows, hidden)
  const auto lane_states = at::split_with_sizes(states, batch.lane_rows);
  std::vector<at::Tensor> logits;
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    std::vector<std::int64_t> rows(static_cast<std::size_t>(batch.lane_rows[i]));
    std::iota(rows.begin(), rows.end(), std::int64_t{0});
    logits.push_back(head_logits(lanes[i].model->head, lane_states[i], backbone.config.head_dropout,
                                 lanes[i].dropout, rows));
  }
  return logits;
}

std::vector<at::Tensor> logits_of_rows(const BackboneWeights& backbone, const TaskModel& model,
                                       const LaneRows& rows, std::span<at::Tensor*> kept) {
  const at::NoGradGuard no_gradients;
  std::vector<PackedBatch> batches;  // a row each
  for (const std::size_t& row : rows.chosen) {
    const LaneRows alone{rows.rows, {&row, 1}};
    batches.push_back(pack({&alone, 1}));
  }
  const auto states = encode_apart(backbone, {&model.adapter, {}, model.head.readout}, batches,
                                   {frozen_layers(model.adapter), kept});
  const std::int64_t first_row = 0;
  std::vector<at::Tensor> logits;
  for (const at::Tensor& state : states)
    logits.push_back(head_logits(model.head, state, 0.0, {}, {&first_row, 1})[0]);
  return logits;
}

}  // namespace graft
