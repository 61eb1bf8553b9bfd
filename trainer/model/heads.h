// What turns the encoder's output into an answer and a loss; chosen by the task's kind here, once.
//
// Classification is AdapterHub's default head: its readout, [CLS] -> dropout -> linear
// (hidden, hidden) -> tanh -> dropout -> linear (classes, hidden); cross-entropy. Not synchronised:
// one thread at a time, or nobody writes.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "trainer/model/dropout.h"
#include "trainer/model/layers.h"
#include "trainer/model/readout.h"

namespace graft {

enum class HeadKind { classification };

struct Head {
  HeadKind kind = HeadKind::classification;
  Readout readout = Readout::cls;
  Linear dense;   // (hidden, hidden)
  Linear output;  // (classes, hidden)
};

Head make_head(HeadKind kind, std::int64_t hidden_size, std::int64_t classes);

// Weights N(0, standard_deviation), biases zero.
void initialize(Head& head, double standard_deviation, at::Generator& generator);

// states (rows, hidden), what the head reads of each row -> logits (rows, classes). batch_rows
// (rows) names the rows for their dropout.
at::Tensor head_logits(const Head& head, const at::Tensor& states, double dropout_probability,
                       const DropoutStream& dropout, std::span<const std::int64_t> batch_rows);

// logits (rows, classes), targets (rows) int64 -> mean over the rows, a scalar.
at::Tensor head_loss(const Head& head, const at::Tensor& logits, const at::Tensor& targets);

// What is answered for a row: logits (classes) -> a score each class, by softmax.
std::vector<float> class_scores(const Head& head, const at::Tensor& logits);

// The class with the highest score; of equals the first.
std::int64_t best_class(std::span<const float> scores);

// AdapterHub's keys.
template <class Visit>
void visit_tensors(ConstOrNot<Head> auto& head, const std::string& name, Visit visit) {
  visit("heads." + name + ".1.weight", head.dense.weight);
  visit("heads." + name + ".1.bias", head.dense.bias);
  visit("heads." + name + ".4.weight", head.output.weight);
  visit("heads." + name + ".4.bias", head.output.bias);
}

}  // namespace graft
