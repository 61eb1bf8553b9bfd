// Heads.
#include "trainer/model/heads.h"

#include <torch/torch.h>

namespace graft {

Head make_head(std::int64_t hidden_size, std::int64_t outputs) {
  Head head;
  head.dense = {at::zeros({hidden_size, hidden_size}), at::zeros({hidden_size})};
  head.output = {at::zeros({outputs, hidden_size}), at::zeros({outputs})};
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
  return linear(x, head.output);  // (rows, outputs)
}

}  // namespace graft
