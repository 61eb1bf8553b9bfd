// How a version does on the validation rows, beyond its metrics: by label, and against an answer
// that needs no model. Written by the worker, kept with the version, shown to people.
// Torch-free, no state: any thread may call. parse_: ProtocolError.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/contract/metrics.h"
#include "trainer/contract/protocol_error.h"

namespace graft {

// Precision, recall and F1 are 0 where they would be a division by zero, as scikit-learn's are with
// zero_division=0.
struct LabelReport {
  std::string label;
  std::int64_t rows = 0, predicted = 0;  // validation rows that have it; that were answered with it
  double precision = 0, recall = 0, f1 = 0;
};

// Rows of one label that were answered with another, or with the same; those of no rows are absent.
struct ConfusionCell {
  std::int64_t truth = 0, predicted = 0;  // places in TaskReport::labels
  std::int64_t rows = 0;
};

// The same answer to every row, drawn from the training rows alone.
struct Baseline {
  std::string answer;  // in words
  Metrics metrics;     // what it gets on the validation rows; what is undefined is absent
};

inline constexpr std::size_t most_confusion_cells = 10'000;

struct TaskReport {
  std::int64_t rows = 0;            // of validation
  std::vector<LabelReport> labels;  // in class-id order; empty: the kind has none
  // By truth, then predicted; of single labels only; those with the most rows.
  std::vector<ConfusionCell> confusion;
  std::optional<double> threshold;  // of a label's score, chosen on the validation rows
  Baseline baseline;
};

std::string write_task_report(const TaskReport& report);
TaskReport parse_task_report(std::string_view text);

}  // namespace graft
