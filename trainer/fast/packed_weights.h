// Weights as the fast pass multiplies by them: packed once, for the way forward (W') and for the
// input's gradient (W).
//
// The backbone's are made once and may lie in a file that all workers map; an adapter's are made
// anew after each step. Immutable while a pass runs.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <vector>

#include "trainer/fast/product.h"
#include "trainer/model/adapter.h"
#include "trainer/model/backbone.h"

namespace graft {

template <class T>
struct PackedLayer {
  PackedOperand<T> query, key, value;  // (hidden, hidden)
  PackedOperand<T> attention_output;   // (hidden, hidden)
  PackedOperand<T> intermediate;       // (hidden, intermediate)
  PackedOperand<T> output;             // (intermediate, hidden)
  // The way back.
  PackedOperand<T> query_key_value_back;  // (3 * hidden, hidden)
  PackedOperand<T> attention_output_back;
  PackedOperand<T> intermediate_back;  // (intermediate, hidden)
  PackedOperand<T> output_back;        // (hidden, intermediate)
};

template <class T>
struct PackedBackbone {
  std::vector<PackedLayer<T>> layers;
  std::shared_ptr<const void> memory;
};

// Whether the fast pass takes this backbone: even widths, hidden states of at most 4,096.
bool can_pack(const BackboneConfig& config);

// cache_directory: where the packed weights lie as a file, made where missing and shared by all
// processes through a map; empty: in this process's own memory. A cache that cannot be written is
// done without.
template <class T>
PackedBackbone<T> pack_backbone(const BackboneWeights& backbone,
                                const std::filesystem::path& cache_directory);

// The four operands of a bottleneck; its width is padded with zeros to padded_size.
template <class T>
struct PackedBottleneck {
  std::int64_t size = 0;         // its width; 0: there is none
  PackedOperand<T> down;         // (hidden, padded size)
  PackedOperand<T> up;           // (padded size, hidden)
  PackedOperand<T> down_back;    // (padded size, hidden)
  PackedOperand<T> up_back;      // (hidden, padded size)
  std::vector<float> down_bias;  // (padded size)
};

// Width that a bottleneck is padded to.
std::int64_t padded_size(std::int64_t size);

template <class T>
class PackedAdapter {
 public:
  explicit PackedAdapter(const Adapter& adapter);

  // attention: of the layer's attention sub-block, else of its feed-forward one.
  const PackedBottleneck<T>& bottleneck(std::size_t layer, bool attention) const {
    return bottlenecks_[2 * layer + (attention ? 0 : 1)];
  }

  // Whether this has the adapter's shape, so that repack() can take it over.
  bool fits(const Adapter& adapter) const;

  // Takes over the values that the adapter has now of part `index` of parts(). Different parts may
  // be packed by different threads.
  std::size_t parts() const { return bottlenecks_.size(); }
  void repack(const Adapter& adapter, std::size_t index);

 private:
  std::vector<PackedBottleneck<T>>
      bottlenecks_;  // (2 * layers); empty operands where there is none
  std::vector<T> memory_;
};

}  // namespace graft
