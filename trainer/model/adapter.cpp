// Filling adapters.
#include "trainer/model/adapter.h"

#include <torch/torch.h>

#include <algorithm>

namespace graft {
namespace {

Bottleneck make_bottleneck(const AdapterShape& shape, BottleneckInput input) {
  Bottleneck bottleneck;
  bottleneck.input = input;
  bottleneck.activation = shape.activation;
  bottleneck.down = {at::zeros({shape.size, shape.hidden_size}), at::zeros({shape.size})};
  bottleneck.up = {at::zeros({shape.hidden_size, shape.size}), at::zeros({shape.hidden_size})};
  return bottleneck;
}

AdapterLayer make_layer(const AdapterShape& shape) {
  AdapterLayer layer;
  switch (shape.method) {
    case AdapterMethod::houlsby:
      layer.attention.bottleneck = make_bottleneck(shape, BottleneckInput::output);
      layer.feed_forward.bottleneck = make_bottleneck(shape, BottleneckInput::output);
      break;
    case AdapterMethod::pfeiffer:
      layer.feed_forward.bottleneck = make_bottleneck(shape, BottleneckInput::normed_sum);
      break;
    case AdapterMethod::head:
      return layer;
  }
  if (shape.train_layer_norm) {
    layer.attention.norm = {at::ones({shape.hidden_size}), at::zeros({shape.hidden_size})};
    layer.feed_forward.norm = {at::ones({shape.hidden_size}), at::zeros({shape.hidden_size})};
  }
  return layer;
}

}  // namespace

Adapter make_adapter(const AdapterShape& shape) {
  Adapter adapter;
  adapter.method = shape.method;
  adapter.size = shape.size;
  adapter.activation = shape.activation;
  for (std::int64_t i = 0; i < shape.layers; ++i) {
    const bool left_out =
        std::find(shape.leave_out.begin(), shape.leave_out.end(), i) != shape.leave_out.end();
    adapter.layers.push_back(left_out ? AdapterLayer{} : make_layer(shape));
  }
  return adapter;
}

void initialize(Adapter& adapter, double init_std, at::Generator& generator) {
  for (AdapterLayer& layer : adapter.layers) {
    for (AdaptedSubBlock* part : {&layer.attention, &layer.feed_forward}) {
      if (!part->bottleneck) continue;
      for (Linear* linear : {&part->bottleneck->down, &part->bottleneck->up}) {
        linear->weight.normal_(0.0, init_std, generator);
        linear->bias.zero_();
      }
    }
  }
}

std::size_t frozen_layers(const Adapter& adapter) {
  const auto trains = [](const AdapterLayer& layer) {
    return layer.attention.trains() || layer.feed_forward.trains();
  };
  const auto lowest = std::find_if(adapter.layers.begin(), adapter.layers.end(), trains);
  return static_cast<std::size_t>(lowest - adapter.layers.begin());
}

std::string sub_block_key(std::size_t layer, bool attention, const std::string& name) {
  return "bert.encoder.layer." + std::to_string(layer) + (attention ? ".attention" : "") +
         ".output.adapters." + name + ".";
}

}  // namespace graft
