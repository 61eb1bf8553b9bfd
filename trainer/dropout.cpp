// Counter-based dropout masks: each element hashes its own position, so all can be made at once.
#include "trainer/dropout.h"

#include <torch/torch.h>

#include "trainer/seeded_random.h"

namespace graft {
namespace {

constexpr int draws_per_hash = 4;  // 16 bits decide one element

}  // namespace

DropoutStream::DropoutStream(std::uint64_t seed, std::uint64_t step)
    : active_(true), key_(random_bits(seed, step)) {}

at::Tensor DropoutStream::mask(at::IntArrayRef shape, double probability) {
  at::Tensor result = at::empty(shape, at::kFloat);
  const std::int64_t count = result.numel();
  float* const values = result.mutable_data_ptr<float>();
  const std::uint64_t base = random_bits(key_, ++draws_);
  const auto threshold = static_cast<std::uint32_t>(probability * 65536.0);
  const float kept = static_cast<float>(1.0 / (1.0 - threshold / 65536.0));
  const std::int64_t groups = count / draws_per_hash;
  at::parallel_for(0, groups, 8192, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t g = begin; g < end; ++g) {
      const std::uint64_t bits = mix(base + static_cast<std::uint64_t>(g) * golden_gamma);
      for (int k = 0; k < draws_per_hash; ++k)
        values[g * draws_per_hash + k] = ((bits >> (16 * k)) & 0xffff) < threshold ? 0.0f : kept;
    }
  });
  std::uint64_t bits = mix(base + static_cast<std::uint64_t>(groups) * golden_gamma);
  for (std::int64_t i = groups * draws_per_hash; i < count; ++i, bits >>= 16)
    values[i] = (bits & 0xffff) < threshold ? 0.0f : kept;
  return result;
}

at::Tensor DropoutStream::apply(const at::Tensor& x, double probability) {
  if (!active_ || probability <= 0.0) return x;
  return x * mask(x.sizes(), probability);
}

}  // namespace graft
