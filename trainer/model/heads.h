// What turns the encoder's output into numbers; what they mean is the kind's (trainer/tasks/).
//
// AdapterHub's default head: its readout, [CLS] -> dropout -> linear (hidden, hidden) -> tanh ->
// dropout -> linear (outputs, hidden). Not synchronised: one thread at a time, or nobody writes.
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

struct Head {
  Readout readout = Readout::cls;
  Linear dense;   // (hidden, hidden)
  Linear output;  // (outputs, hidden)
};

Head make_head(std::int64_t hidden_size, std::int64_t outputs);

// Weights N(0, standard_deviation), biases zero.
void initialize(Head& head, double standard_deviation, at::Generator& generator);

// states (rows, hidden), what the head reads of each row -> logits (rows, outputs). batch_rows
// (rows) names the rows for their dropout.
at::Tensor head_logits(const Head& head, const at::Tensor& states, double dropout_probability,
                       const DropoutStream& dropout, std::span<const std::int64_t> batch_rows);

// AdapterHub's keys.
template <class Visit>
void visit_tensors(ConstOrNot<Head> auto& head, const std::string& name, Visit visit) {
  visit("heads." + name + ".1.weight", head.dense.weight);
  visit("heads." + name + ".1.bias", head.dense.bias);
  visit("heads." + name + ".4.weight", head.output.weight);
  visit("heads." + name + ".4.bias", head.output.bias);
}

}  // namespace graft
