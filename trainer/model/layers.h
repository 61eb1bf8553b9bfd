// The few operations that every encoder shares, as plain functions over parameter structs.
//
// Thread-safe as long as nobody writes the parameters meanwhile.
#pragma once

#include <ATen/core/Tensor.h>

#include <concepts>
#include <type_traits>

#include "trainer/contract/specification.h"

namespace graft {

// A visitor's argument: Struct or const Struct, so that one list serves reading and writing.
template <class T, class Struct>
concept ConstOrNot = std::same_as<std::remove_const_t<T>, Struct>;

struct Linear {
  at::Tensor weight;  // (out, in)
  at::Tensor bias;    // (out)
};

struct LayerNorm {
  at::Tensor weight;  // (width)
  at::Tensor bias;    // (width)
};

at::Tensor linear(const at::Tensor& x, const Linear& parameters);  // (..., in) -> (..., out)

at::Tensor layer_norm(const at::Tensor& x, const LayerNorm& parameters, double epsilon);

// swish is x*sigmoid(x), gelu the exact one with erf, gelu_new its tanh approximation.
at::Tensor activate(Activation activation, const at::Tensor& x);

}  // namespace graft
