// The kernels where numbers end: NaN stays NaN, and no row is too wide.
#include "trainer/fast/kernels/vector_kernels.h"

#include <doctest/doctest.h>
#include <torch/torch.h>

#include <cmath>
#include <limits>
#include <vector>

#include "trainer/model/dropout.h"

namespace graft {
namespace {

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

template <class T>
float widened(T value) {
  float wide = 0;
  vector_kernels<T>().widen(&value, 1, &wide);
  return wide;
}

}  // namespace

TEST_CASE_TEMPLATE("what is no number stays none", T, float, BFloat16Bits) {
  const VectorKernels<T>& kernels = vector_kernels<T>();
  constexpr std::int64_t width = 37;  // vectors and a rest
  for (const Activation activation : {Activation::swish, Activation::relu, Activation::gelu,
                                      Activation::gelu_new, Activation::tanh}) {
    CAPTURE(to_string(activation));
    for (const std::int64_t place : {std::int64_t{0}, std::int64_t{20}, width - 1}) {
      std::vector<float> product(width, 0.5f), bias(width, 0.1f);
      product[static_cast<std::size_t>(place)] = not_a_number;
      std::vector<T> after(width);
      kernels.activate(activation, product.data(), bias.data(), 1, width, after.data(), nullptr,
                       width);
      for (std::int64_t c = 0; c < width; ++c)
        CHECK(std::isnan(widened(after[static_cast<std::size_t>(c)])) == (c == place));
    }
  }

  // Every NaN that bfloat16 has to round.
  for (const std::uint32_t bits : {0x7fc00000u, 0x7fffffffu, 0xffffffffu, 0x7f800001u}) {
    CAPTURE(bits);
    const auto value = std::bit_cast<float>(bits);
    T narrowed{};
    kernels.narrow(&value, 1, &narrowed);
    CHECK(std::isnan(widened(narrowed)));
  }
  for (const float value : {std::numeric_limits<float>::infinity(), 1.5f, -0.0f, 3e38f}) {
    T narrowed{};
    kernels.narrow(&value, 1, &narrowed);
    CHECK(
        (widened(narrowed) == value || widened(narrowed) == doctest::Approx(value).epsilon(0.01)));
  }

  // One NaN among the keys makes every weight of the row one.
  const AttentionShape shape{5, 5, 1, 4};
  std::vector<float> wide(5 * 12, 0.25f);
  wide[2 * 12 + 4] = not_a_number;
  std::vector<T> qkv(wide.size()), context(5 * 4);
  kernels.narrow(wide.data(), static_cast<std::int64_t>(wide.size()), qkv.data());
  std::vector<float> scratch(static_cast<std::size_t>(attention_scratch(shape)));
  kernels.attention(shape, qkv.data(), 12, 4, 8, 0, {}, context.data(), 4, scratch.data());
  for (const T& value : context) CHECK(std::isnan(widened(value)));
}

TEST_CASE("dropout takes rows of any width") {
  const VectorKernels<float>& kernels = vector_kernels<float>();
  const DropoutRule rule = dropout_rule(0.3);
  for (const std::int64_t width : {1, 255, 256, 4097, 5000, 70000}) {
    CAPTURE(width);
    const std::uint64_t key = 77;
    const std::int64_t element = 8;
    const auto count = static_cast<std::size_t>(width);
    std::vector<float> values(count), bias(count), out(count), back(count);
    for (std::size_t c = 0; c < count; ++c) values[c] = 1.0f + static_cast<float>(c % 5);
    kernels.add_bias_dropout(values.data(), bias.data(), 1, width, &key, &element, rule,
                             out.data());
    kernels.dropout_backward(values.data(), nullptr, 1, width, &key, &element, rule, back.data());
    std::int64_t kept = 0, wrong = 0;
    for (std::size_t c = 0; c < count; ++c) {
      // The definition in trainer/model/dropout.h.
      const std::uint64_t bits =
          mix(key + (static_cast<std::uint64_t>(element) + c) / 4 * golden_gamma);
      const bool stays = (bits >> (16 * (c % 4)) & 0xffff) >= rule.threshold;
      const float expected = stays ? values[c] * rule.kept : 0.0f;
      kept += stays;
      wrong += out[c] != expected || back[c] != expected;
    }
    CHECK(wrong == 0);
    if (width > 1000)
      CHECK(static_cast<double>(kept) / static_cast<double>(width) ==
            doctest::Approx(0.7).epsilon(0.1));
  }
}

}  // namespace graft
