// Shared operations of encoders.
#include "trainer/model/layers.h"

#include <torch/torch.h>

#include <stdexcept>

namespace graft {

at::Tensor linear(const at::Tensor& x, const Linear& parameters) {
  return at::linear(x, parameters.weight, parameters.bias);
}

at::Tensor layer_norm(const at::Tensor& x, const LayerNorm& parameters, double epsilon) {
  return at::layer_norm(x, {x.size(-1)}, parameters.weight, parameters.bias, epsilon);
}

at::Tensor activate(Activation activation, const at::Tensor& x) {
  switch (activation) {
    case Activation::swish:
      return at::silu(x);
    case Activation::relu:
      return at::relu(x);
    case Activation::gelu:
      return at::gelu(x, "none");
    case Activation::gelu_new:
      return at::gelu(x, "tanh");
    case Activation::tanh:
      return at::tanh(x);
  }
  throw std::logic_error("unknown activation");
}

}  // namespace graft
