// AdamW.
#include "trainer/training/optimizer.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "trainer/fast/kernels/vector_kernels.h"

namespace graft {
namespace {

constexpr double beta1 = 0.9, beta2 = 0.999;
constexpr std::int64_t block_size = 1 << 15;

}  // namespace

AdamW::AdamW(const std::vector<at::Tensor*>& tensors) {
  std::int64_t count = 0;
  for (const at::Tensor* tensor : tensors) count += tensor->numel();
  values_ = at::empty({count}, at::kFloat);
  gradients_ = at::zeros({count}, at::kFloat);
  first_moments_ = at::zeros({count}, at::kFloat);
  second_moments_ = at::zeros({count}, at::kFloat);
  std::int64_t begin = 0;
  for (at::Tensor* tensor : tensors) {
    const std::vector<std::int64_t> shape = tensor->sizes().vec();
    const std::int64_t end = begin + tensor->numel();
    for (std::int64_t block = begin; block < end; block += block_size)
      blocks_.push_back({block, std::min(end, block + block_size), tensor->dim() > 1});
    at::Tensor view = values_.slice(0, begin, end).view(shape);
    view.copy_(tensor->detach());
    *tensor = view.detach().requires_grad_(true);
    tensor->mutable_grad() = gradients_.slice(0, begin, end).view(shape);
    begin = end;
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

double AdamW::update(double learning_rate, double weight_decay, double largest_norm,
                     ThreadPool& threads) {
  const OptimizerKernels& kernels = optimizer_kernels();
  float* const gradient = gradients_.mutable_data_ptr<float>();
  std::vector<double> squares(blocks_.size());
  threads.run(blocks_.size(), [&](std::size_t i, std::size_t) {
    const Block& block = blocks_[i];
    squares[i] = kernels.sum_of_squares(gradient + block.begin, block.end - block.begin);
  });
  double sum = 0;
  for (const double square : squares) sum += square;
  const double norm = std::sqrt(sum);
  if (!std::isfinite(norm)) {
    gradients_.zero_();
    return norm;
  }
  const auto scale = static_cast<float>(norm > largest_norm ? largest_norm / (norm + 1e-6) : 1.0);

  ++steps_;
  const double correction1 = 1.0 - std::pow(beta1, static_cast<double>(steps_));
  const double correction2 = 1.0 - std::pow(beta2, static_cast<double>(steps_));
  const auto rate = static_cast<float>(learning_rate / correction1);
  const auto root = static_cast<float>(1.0 / std::sqrt(correction2));
  float* const value = values_.mutable_data_ptr<float>();
  float* const first = first_moments_.mutable_data_ptr<float>();
  float* const second = second_moments_.mutable_data_ptr<float>();
  threads.run(blocks_.size(), [&](std::size_t i, std::size_t) {
    const auto [begin, end, decays] = blocks_[i];
    const auto keep = static_cast<float>(decays ? 1.0 - learning_rate * weight_decay : 1.0);
    kernels.adamw(value + begin, gradient + begin, first + begin, second + begin, end - begin,
                  scale, keep, rate, root);
    std::fill(gradient + begin, gradient + end, 0.0f);
  });
  return norm;
}

}  // namespace graft
