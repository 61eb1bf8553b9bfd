// The members of a version's report, each list once, for members_json.h.
#pragma once

#include "trainer/contract/members_json.h"
#include "trainer/contract/metrics_members.h"
#include "trainer/contract/task_report.h"

namespace graft {

void describe(auto& member, Of<LabelReport> auto& label) {
  member("label", label.label);
  member("rows", label.rows);
  member("predicted", label.predicted);
  member("precision", label.precision);
  member("recall", label.recall);
  member("f1", label.f1);
}

void describe(auto& member, Of<ConfusionCell> auto& cell) {
  member("truth", cell.truth);
  member("predicted", cell.predicted);
  member("rows", cell.rows);
}

void describe(auto& member, Of<Baseline> auto& baseline) {
  member("answer", baseline.answer);
  describe_numbers(member, baseline.metrics);
}

void describe(auto& member, Of<TaskReport> auto& report) {
  member("rows", report.rows);
  member("labels", report.labels);
  member("confusion", report.confusion);
  member("threshold", report.threshold);
  member("baseline", report.baseline);
}

}  // namespace graft
