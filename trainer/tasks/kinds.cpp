// The table of kinds, and what they have in common.
#include "trainer/tasks/kinds.h"

#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <stdexcept>

namespace graft {
namespace {

using Entry = const Kind& (*)();
constexpr std::array<Entry, 3> table{classification_kind, multi_label_kind, regression_kind};

// All are numbers, and one at least is not whole.
bool are_fractional(const std::vector<std::string>& labels) {
  bool fraction = false;
  for (const std::string& label : labels) {
    const std::optional<double> number = score_of(label);
    if (!number) return false;
    fraction |= *number != std::floor(*number);
  }
  return fraction;
}

std::string rounded(double number) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.4g", number);
  return text.data();
}

}  // namespace

const Kind& kind_named(TaskKind kind) {
  if (kind == TaskKind::automatic) kind = TaskKind::classification;
  for (const Entry entry : table)
    if (entry().name() == kind) return entry();
  throw std::logic_error("no kind of task " + std::string(to_string(kind)));
}

double Kind::row_loss(const at::Tensor& logits, const Targets& targets, std::int32_t target) const {
  const auto outputs = static_cast<std::size_t>(logits.numel());
  return loss(logits.unsqueeze(0), batch(targets, {&target, 1}, outputs)).item<double>();
}

TaskKind recognize_kind(const LabelColumn& column) {
  switch (column.form) {
    case TargetForm::label_list:
      return TaskKind::multi_label;
    case TargetForm::score:
      return TaskKind::regression;
    case TargetForm::label:
      break;
  }
  // Decimals in quotes and in CSV are names until somebody says that they are numbers.
  return column.fraction_line > 0 && are_fractional(column.labels) ? TaskKind::regression
                                                                   : TaskKind::classification;
}

std::string recognized_in_words(TaskKind kind, const LabelColumn& column) {
  const std::string learned =
      ": they are learned as task_kind \"" + std::string(to_string(kind)) + "\".";
  if (column.form == TargetForm::label)
    return "The labels are numbers, and not all of them whole" + learned;
  return "The rows have " + std::string(words_of(column.form)) + learned;
}

std::vector<DataNote> honest_notes(TaskKind kind, const Metrics& metrics,
                                   const TaskReport& report) {
  std::vector<DataNote> notes;
  for (const std::string_view name : metrics_of(kind)) {
    const auto own = metrics.get(name), baseline = report.baseline.metrics.get(name);
    if (!own || !baseline) continue;
    const bool better =
        metric(name).better == Metric::Better::greater ? *own > *baseline : *own < *baseline;
    if (!better)
      notes.push_back({"warn", "The version is no better than an answer without a model: its " +
                                   words_of(metric(name)) + " on the validation rows is " +
                                   rounded(*own) + ", where " + report.baseline.answer + " gets " +
                                   rounded(*baseline) + "."});
    break;
  }
  std::vector<std::string> never;
  std::vector<std::size_t> all;
  std::size_t with_rows = 0;
  for (const LabelReport& label : report.labels) {
    if (label.rows == 0) continue;
    ++with_rows;
    if (label.predicted > 0) continue;
    all.push_back(never.size());
    never.push_back(label.label);
  }
  if (!never.empty())
    notes.push_back({"warn", "The version never answers " + std::to_string(never.size()) +
                                 " of the " + std::to_string(with_rows) +
                                 " labels of the validation rows: " + list_labels(never, all) +
                                 "."});
  return notes;
}

}  // namespace graft
