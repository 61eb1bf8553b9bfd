// What turns the encoder's output into an answer and a loss; chosen by the task's kind here, once.
//
// Classification is AdapterHub's default head: [CLS] of the last layer -> dropout -> linear
// (hidden, hidden) -> tanh -> dropout -> linear (classes, hidden); cross-entropy. Not synchronised:
// one thread at a time, or nobody writes.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>

#include "trainer/model/dropout.h"
#include "trainer/model/layers.h"

namespace graft {

enum class HeadKind { classification };

struct Head {
  HeadKind kind = HeadKind::classification;
  Linear dense;   // (hidden, hidden)
  Linear output;  // (classes, hidden)
};

Head make_head(HeadKind kind, std::int64_t hidden_size, std::int64_t classes);

// Weights N(0, standard_deviation), biases zero.
void initialize(Head& head, double standard_deviation, at::Generator& generator);

// states (rows, hidden) of each row's [CLS] -> logits (rows, classes). batch_rows (rows) names the
// rows for their dropout.
at::Tensor head_logits(const Head& head, const at::Tensor& states, double dropout_probability,
                       const DropoutStream& dropout, std::span<const std::int64_t> batch_rows);

// logits (rows, classes), targets (rows) int64 -> mean over the rows, a scalar.
at::Tensor head_loss(const Head& head, const at::Tensor& logits, const at::Tensor& targets);

// logits (rows, classes) -> probabilities (rows, classes).
at::Tensor head_probabilities(const Head& head, const at::Tensor& logits);

// AdapterHub's keys.
template <class Visit>
void visit_tensors(ConstOrNot<Head> auto& head, const std::string& name, Visit visit) {
  visit("heads." + name + ".1.weight", head.dense.weight);
  visit("heads." + name + ".1.bias", head.dense.bias);
  visit("heads." + name + ".4.weight", head.output.weight);
  visit("heads." + name + ".4.bias", head.output.bias);
}

}  // namespace graft
