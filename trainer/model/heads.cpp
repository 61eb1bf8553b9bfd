// Heads.
#include "trainer/model/heads.h"

#include <torch/torch.h>

#include <algorithm>

namespace graft {

Head make_head(HeadKind kind, std::int64_t hidden_size, std::int64_t classes) {
  Head head;
  head.kind = kind;
  head.dense = {at::zeros({hidden_size, hidden_size}), at::zeros({hidden_size})};
  head.output = {at::zeros({classes, hidden_size}), at::zeros({classes})};
  return head;
}

void initialize(Head& head, double standard_deviation, at::Generator& generator) {
  for (Linear* linear : {&head.dense, &head.output}) {
    linear->weight.normal_(0.0, standard_deviation, generator);
    linear->bias.zero_();
  }
}

at::Tensor head_logits(const Head& head, const at::Tensor& states, double dropout_probability,
                       const DropoutStream& dropout, std::span<const std::int64_t> batch_rows) {
  at::Tensor x = dropout.apply(states, batch_rows, DropoutSite::head_input(), dropout_probability);
  x = at::tanh(linear(x, head.dense));  // (rows, hidden)
  x = dropout.apply(x, batch_rows, DropoutSite::head_hidden(), dropout_probability);
  return linear(x, head.output);  // (rows, classes)
}

at::Tensor head_loss(const Head&, const at::Tensor& logits, const at::Tensor& targets) {
  return at::cross_entropy_loss(logits, targets);
}

std::vector<float> class_scores(const Head&, const at::Tensor& logits) {
  const at::Tensor scores = at::softmax(logits, -1).contiguous();
  const float* const values = scores.const_data_ptr<float>();
  return {values, values + scores.numel()};
}

std::int64_t best_class(std::span<const float> scores) {
  return std::ranges::max_element(scores) - scores.begin();
}

}  // namespace graft
