// Dropout masks as tensors.
#include "trainer/model/dropout.h"

#include <torch/torch.h>

#include <vector>

namespace graft {

DropoutRule dropout_rule(double probability) {
  DropoutRule rule;
  rule.threshold = static_cast<std::uint32_t>(probability * 65536.0);
  rule.kept = static_cast<float>(1.0 / (1.0 - rule.threshold / 65536.0));
  return rule;
}

at::Tensor DropoutStream::apply(const at::Tensor& x, std::span<const std::int64_t> batch_rows,
                                DropoutSite site, double probability) const {
  const DropoutRule applied = rule(site, probability);
  if (applied.threshold == 0) return x;
  std::vector<std::uint64_t> keys;
  for (const std::int64_t row : batch_rows) keys.push_back(key(site, row));
  const std::vector<std::int64_t> elements(keys.size(), 0);
  return x * dropout_mask(keys, elements, x.size(1), applied);
}

at::Tensor dropout_mask(std::span<const std::uint64_t> keys, std::span<const std::int64_t> elements,
                        std::int64_t width, DropoutRule rule) {
  const auto rows = static_cast<std::int64_t>(keys.size());
  at::Tensor mask = at::empty({rows, width}, at::kFloat);
  float* factor = mask.mutable_data_ptr<float>();
  for (std::size_t row = 0; row < keys.size(); ++row) {
    for (std::int64_t column = 0; column < width; ++column) {
      const auto element = static_cast<std::uint64_t>(elements[row] + column);
      const std::uint64_t four = mix(keys[row] + element / 4 * golden_gamma);
      const auto bits = static_cast<std::uint16_t>(four >> (16 * (element % 4)));
      *factor++ = bits < rule.threshold ? 0.0f : rule.kept;
    }
  }
  return mask;
}

}  // namespace graft
