// AdamW.
#include "trainer/optimizer.h"

#include <torch/torch.h>

#include <cmath>

namespace graft {
namespace {

constexpr double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;

}  // namespace

AdamW::AdamW(const std::vector<at::Tensor*>& tensors) {
  std::int64_t count = 0;
  for (const at::Tensor* tensor : tensors) {
    ranges_.push_back({count, count + tensor->numel(), tensor->dim() > 1});
    count += tensor->numel();
  }
  values_ = at::empty({count}, at::kFloat);
  gradients_ = at::zeros({count}, at::kFloat);
  first_moments_ = at::zeros({count}, at::kFloat);
  second_moments_ = at::zeros({count}, at::kFloat);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto [begin, end, decays] = ranges_[i];
    const std::vector<std::int64_t> shape = tensors[i]->sizes().vec();
    at::Tensor view = values_.slice(0, begin, end).view(shape);
    view.copy_(tensors[i]->detach());
    *tensors[i] = view.detach().requires_grad_(true);
    tensors[i]->mutable_grad() = gradients_.slice(0, begin, end).view(shape);
  }
}

AdamW::State AdamW::state() const {
  return {values_.clone(), first_moments_.clone(), second_moments_.clone(), steps_};
}

void AdamW::restore(const State& state) {
  values_.copy_(state.values);
  first_moments_.copy_(state.first_moments);
  second_moments_.copy_(state.second_moments);
  steps_ = state.steps;
}

void AdamW::zero_gradients() {
  gradients_.zero_();
}

double AdamW::clip_gradients(double max_norm) {
  const double norm = gradients_.norm().item<double>();
  if (norm > max_norm) gradients_.mul_(max_norm / (norm + 1e-6));
  return norm;
}

void AdamW::step(double learning_rate, double weight_decay) {
  ++steps_;
  const double correction1 = 1.0 - std::pow(beta1, static_cast<double>(steps_));
  const double correction2 = 1.0 - std::pow(beta2, static_cast<double>(steps_));
  const auto b1 = static_cast<float>(beta1), b2 = static_cast<float>(beta2);
  const auto rate = static_cast<float>(learning_rate / correction1);
  const auto root = static_cast<float>(1.0 / std::sqrt(correction2));
  const auto tiny = static_cast<float>(epsilon);
  float* const value = values_.mutable_data_ptr<float>();
  const float* const gradient = gradients_.const_data_ptr<float>();
  float* const first = first_moments_.mutable_data_ptr<float>();
  float* const second = second_moments_.mutable_data_ptr<float>();
  for (const Range& range : ranges_) {
    const auto keep = static_cast<float>(range.decays ? 1.0 - learning_rate * weight_decay : 1.0);
    for (std::int64_t i = range.begin; i < range.end; ++i) {
      first[i] = b1 * first[i] + (1.0f - b1) * gradient[i];
      second[i] = b2 * second[i] + (1.0f - b2) * gradient[i] * gradient[i];
      value[i] = value[i] * keep - rate * first[i] / (std::sqrt(second[i]) * root + tiny);
    }
  }
}

}  // namespace graft
