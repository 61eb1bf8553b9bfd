// A kind of task, from rows to answers: what is learned of the rows, the loss, what is measured and
// what is answered. A kind is one file beside this one and a row in kinds.cpp.
//
// Kinds have no state: any thread may call.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/contract/metrics.h"
#include "trainer/contract/prediction.h"
#include "trainer/contract/task_kind.h"
#include "trainer/contract/task_report.h"
#include "trainer/model/heads.h"
#include "trainer/tasks/plan.h"

namespace graft {

// A model's answers to validation rows beside the truth.
struct Answered {
  const Targets& targets;
  std::span<const std::int32_t> training, validation;  // (rows) places in targets
  std::span<const std::string> labels;                 // names of the outputs
  std::span<const float> scores;                       // (validation rows, kept_scores(outputs))
};

struct Measured {
  bool finite = true;  // else a score or a loss is no number, and nothing was measured
  Metrics metrics;     // those of metrics_of(kind) that are defined
  TaskReport report;
};

class Kind {
 public:
  virtual ~Kind() = default;
  virtual TaskKind name() const = 0;
  virtual std::string_view head_type() const = 0;  // AdapterHub's

  // ---- Rows -> targets ----

  // Throws DataError.
  virtual TaskPlan plan(const PlanInput& input) const = 0;
  // Rows by their places in targets -> what loss() takes: (rows) class ids or (rows, outputs).
  virtual at::Tensor batch(const Targets& targets, std::span<const std::int32_t> rows,
                           std::size_t outputs) const = 0;

  // ---- Training ----

  // logits (rows, outputs) -> mean over the rows, a scalar.
  virtual at::Tensor loss(const at::Tensor& logits, const at::Tensor& batch) const = 0;
  // How many rows are right; nullopt: no row of this kind is right or wrong.
  virtual std::optional<std::int64_t> right(const at::Tensor& logits,
                                            const at::Tensor& batch) const = 0;
  // The head that answers in the customer's terms, where training sees others.
  virtual Head answering_head(const Head& trained, const Targets&) const { return trained; }

  // ---- Answers ----

  // Of the answering head: logits (outputs) -> a score each output.
  virtual std::vector<float> scores(const at::Tensor& logits) const = 0;
  // What measure() needs of a row's scores, and how much that is: all of them, unless a kind with
  // many outputs and rows can do with less.
  virtual std::vector<float> kept_scores(std::vector<float> scores) const { return scores; }
  virtual std::size_t kept_scores(std::size_t outputs) const { return outputs; }
  // From which score on a label is answered; nullopt: not by a threshold.
  virtual std::optional<double> threshold(const std::optional<TaskReport>&) const {
    return std::nullopt;
  }
  // Of a validation row, in the terms of loss().
  virtual double row_loss(const at::Tensor& logits, const Targets& targets,
                          std::int32_t target) const;
  virtual Measured measure(const Answered& answered) const = 0;
};

// Never `automatic`, which stands for classification in files of before there was a choice.
const Kind& kind_named(TaskKind kind);

// What the columns of a file say: a list of labels, a score, a label; labels that JSON has as
// numbers, one of them not whole, are scores.
TaskKind recognize_kind(const LabelColumn& column);
// Why, for the customer: a sentence.
std::string recognized_in_words(TaskKind kind, const LabelColumn& column);

// What deserves a plain word: a version that is no better than an answer without a model, labels
// that it never answers.
std::vector<DataNote> honest_notes(TaskKind kind, const Metrics& metrics, const TaskReport& report);

}  // namespace graft
