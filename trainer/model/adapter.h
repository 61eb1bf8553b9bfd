// The trainable parameters of one task inside the frozen encoder, after Houlsby et al. 2019.
//
// Each encoder layer has two sub-blocks (attention, feed-forward); each may have a bottleneck and,
// in the paper's variant, LayerNorm weights of its own. With z the sub-block's output after
// dropout, x its residual input and LN its LayerNorm (AdapterHub's arithmetic):
//
//   A(t) = up(act(down(t)))
//   Houlsby, both sub-blocks:   out = LN(A(z) + z + x)
//   Pfeiffer, feed-forward:     out = LN(A(LN(z + x)) + z + x)
//
// A method is a way to fill this struct, never a flag in the encoder. visit_tensors() is the one
// list of names. Not synchronised: one thread at a time, or nobody writes.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "trainer/contract/specification.h"
#include "trainer/model/layers.h"

namespace graft {

// What a bottleneck reads: the sub-block's output z, or LN(z + x).
enum class BottleneckInput { output, normed_sum };

struct Bottleneck {
  BottleneckInput input = BottleneckInput::output;
  Activation activation = Activation::swish;
  Linear down;  // (size, hidden)
  Linear up;    // (hidden, size)
};

struct AdaptedSubBlock {
  std::optional<Bottleneck> bottleneck;
  std::optional<LayerNorm> norm;  // instead of the backbone's

  bool trains() const { return bottleneck || norm; }
};

struct AdapterLayer {
  AdaptedSubBlock attention;
  AdaptedSubBlock feed_forward;
};

struct Adapter {
  AdapterMethod method = AdapterMethod::houlsby;
  std::int64_t size = 0;
  Activation activation = Activation::swish;
  std::vector<AdapterLayer> layers;
};

struct AdapterShape {
  AdapterMethod method = AdapterMethod::houlsby;
  std::int64_t size = 64;
  Activation activation = Activation::swish;
  bool train_layer_norm = false;
  std::int64_t layers = 0;
  std::int64_t hidden_size = 0;
  std::vector<int> leave_out;  // layers without anything to train
};

// All tensors zero, LayerNorms one and zero; float32. Nothing but empty layers for method head.
Adapter make_adapter(const AdapterShape& shape);

// Weights N(0, init_std), biases zero, drawn in the order of visit_tensors(): AdapterHub's "bert".
void initialize(Adapter& adapter, double init_std, at::Generator& generator);

// How many of the lowest layers have nothing to train. Training drops nothing out in them, so what
// they make of a row is the same in every epoch, seed and trial.
std::size_t frozen_layers(const Adapter& adapter);

// Where AdapterHub puts the adapter `name` of a sub-block of layer i.
std::string sub_block_key(std::size_t layer, bool attention, const std::string& name);

// The LayerNorm part of visit_tensors(); nothing unless the adapter trains LayerNorms.
template <class Visit>
void visit_layer_norms(ConstOrNot<Adapter> auto& adapter, Visit visit) {
  for (std::size_t i = 0; i < adapter.layers.size(); ++i) {
    const std::string layer = "bert.encoder.layer." + std::to_string(i) + ".";
    for (const bool attention : {true, false}) {
      auto& part = attention ? adapter.layers[i].attention : adapter.layers[i].feed_forward;
      if (!part.norm) continue;
      const std::string key = layer + (attention ? "attention." : "") + "output.LayerNorm.";
      visit(key + "weight", part.norm->weight);
      visit(key + "bias", part.norm->bias);
    }
  }
}

// Calls visit(key, tensor) for every trainable tensor of the bottlenecks by AdapterHub's key, then
// of the LayerNorms, for which AdapterHub has no key, by the backbone's key.
template <class Visit>
void visit_tensors(ConstOrNot<Adapter> auto& adapter, const std::string& name, Visit visit) {
  for (std::size_t i = 0; i < adapter.layers.size(); ++i) {
    for (const bool attention : {true, false}) {
      auto& part = attention ? adapter.layers[i].attention : adapter.layers[i].feed_forward;
      if (!part.bottleneck) continue;
      const std::string key = sub_block_key(i, attention, name);
      visit(key + "adapter_down.0.weight", part.bottleneck->down.weight);
      visit(key + "adapter_down.0.bias", part.bottleneck->down.bias);
      visit(key + "adapter_up.weight", part.bottleneck->up.weight);
      visit(key + "adapter_up.bias", part.bottleneck->up.bias);
    }
  }
  visit_layer_norms(adapter, visit);
}

}  // namespace graft
