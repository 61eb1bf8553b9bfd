// A report's rows by label. No state: any thread may call.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "trainer/contract/task_report.h"
#include "trainer/tasks/metrics.h"

namespace graft {

inline std::vector<LabelReport> report_labels(std::span<const std::string> labels,
                                              std::span<const LabelCounts> counts) {
  std::vector<LabelReport> reports;
  for (std::size_t i = 0; i < labels.size(); ++i)
    reports.push_back({labels[i], counts[i].truly, counts[i].predicted, counts[i].precision(),
                       counts[i].recall(), counts[i].f1()});
  return reports;
}

}  // namespace graft
