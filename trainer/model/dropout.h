// Dropout whose masks are a function of (seed, step, site, row, element) and of nothing else: not
// of other lanes, of threads, of how rows are batched or of what was drawn elsewhere.
//
// A site is a place in the model, a row is named by its place in the lane's batch, elements count
// within the row. Four elements share 64 random bits: element e is dropped where bits
// 16*(e%4) … 16*(e%4)+15 of mix(key + (e/4)*golden_gamma) are below the rule's threshold.
// Immutable: any thread may call.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "trainer/contract/seeded_random.h"
#include "trainer/model/dropout_rule.h"

namespace graft {

// Where the model drops out. Layers count from 0.
struct DropoutSite {
  std::uint64_t number = 0;

  static constexpr DropoutSite embeddings() { return {0}; }
  static constexpr DropoutSite attention_weights(std::size_t layer) { return {1 + 3 * layer}; }
  static constexpr DropoutSite attention_output(std::size_t layer) { return {2 + 3 * layer}; }
  static constexpr DropoutSite feed_forward_output(std::size_t layer) { return {3 + 3 * layer}; }
  // The first site behind the input of a layer; of layer 0 the embeddings, whose output it reads.
  static constexpr DropoutSite first_from(std::size_t layer) {
    return layer == 0 ? embeddings() : attention_weights(layer);
  }
  static constexpr DropoutSite head_input() { return {std::uint64_t{1} << 32}; }
  static constexpr DropoutSite head_hidden() { return {(std::uint64_t{1} << 32) + 1}; }
};

// Tokens lie in a row's random numbers at a distance that keeps them apart and on whole groups.
constexpr std::int64_t dropout_stride(std::int64_t width) {
  return (width + 3) / 4 * 4;
}

// threshold 0, i.e. nothing, for a probability of 0.
DropoutRule dropout_rule(double probability);

class DropoutStream {
 public:
  // Drops nothing: evaluation.
  DropoutStream() = default;

  // Training: drops at `first` and all sites behind it.
  DropoutStream(std::uint64_t seed, std::uint64_t step,
                DropoutSite first = DropoutSite::embeddings())
      : active_(true), first_(first), key_(random_bits(seed, step)) {}

  // Names a row's random numbers at a site.
  std::uint64_t key(DropoutSite site, std::int64_t row) const {
    return mix(random_bits(key_, site.number) +
               (static_cast<std::uint64_t>(row) + 1) * golden_gamma);
  }

  // The rule of a site: nothing where the stream does not drop.
  DropoutRule rule(DropoutSite site, double probability) const {
    return active_ && site.number >= first_.number ? dropout_rule(probability) : DropoutRule{};
  }

  // x (rows, width) times its mask; batch_rows (rows) names the rows.
  at::Tensor apply(const at::Tensor& x, std::span<const std::int64_t> batch_rows, DropoutSite site,
                   double probability) const;

 private:
  bool active_ = false;
  DropoutSite first_;
  std::uint64_t key_ = 0;
};

// The mask of (keys.size(), width) elements, float32: row i is made of key i from its element on.
at::Tensor dropout_mask(std::span<const std::uint64_t> keys, std::span<const std::int64_t> elements,
                        std::int64_t width, DropoutRule rule);

}  // namespace graft
