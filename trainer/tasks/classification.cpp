// One label a row: softmax over the labels, cross-entropy.
#include <torch/torch.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "trainer/tasks/kinds.h"
#include "trainer/tasks/label_report.h"
#include "trainer/tasks/metrics.h"
#include "trainer/text/dataset_reading.h"

namespace graft {
namespace {

void check_labels(const PlanInput& input) {
  const std::vector<std::string>& labels = input.training.labels;
  if (input.training.form == TargetForm::label_list)
    refuse_training_file(input,
                         "the rows have lists of labels, which task_kind \"multi_label\" learns; a "
                         "classification needs one a row, as the member \"label\"");
  if (input.training.fraction_line > 0)
    throw DataError(FileRole::training, input.training_name, input.training.fraction_line, "label",
                    "the label is a fractional number; labels are strings or integers, each the "
                    "name of a class: write integers, or say task_kind \"regression\" to learn "
                    "numbers");
  if (labels.size() < 2)
    refuse_training_file(input, "every row has the label " + quoted_label(labels.front()) +
                                    "; a task needs rows of at least two labels");
  refuse_too_many_labels(input, labels.size());
}

// Class ids of the validation file's own labels, which the training rows must know.
std::vector<std::int32_t> known_classes(const PlanInput& input) {
  std::vector<std::int32_t> classes;
  if (input.validation == nullptr) return classes;
  std::vector<std::string> faults;
  const std::vector<std::string>& known = input.training.labels;
  for (const std::string& label : input.validation->labels) {
    const auto found = std::lower_bound(known.begin(), known.end(), label);
    const bool is_known = found != known.end() && *found == label;
    classes.push_back(is_known ? static_cast<std::int32_t>(found - known.begin()) : -1);
    faults.push_back(is_known ? "" : unknown_label(label, known));
  }
  refuse_labels(FileRole::validation, input, faults);
  return classes;
}

std::vector<std::size_t> counts_of(std::span<const std::int32_t> classes, std::size_t labels) {
  std::vector<std::size_t> counts(labels);
  for (const std::int32_t id : classes) ++counts[static_cast<std::size_t>(id)];
  return counts;
}

class Classification : public Kind {
 public:
  TaskKind name() const override { return TaskKind::classification; }
  std::string_view head_type() const override { return "classification"; }

  TaskPlan plan(const PlanInput& input) const override {
    check_same_shape(input);
    check_labels(input);
    TaskPlan plan;
    plan.kind = name();
    plan.labels = input.training.labels;
    std::vector<std::int32_t> own(plan.labels.size());
    std::iota(own.begin(), own.end(), 0);
    plan.targets.labels.reserve(own.size());
    for (const std::int32_t id : own) plan.targets.labels.push_back({id});
    choose_rows(input, own, known_classes(input),
                split_validation(input.training.ids, input.validation_fraction, input.seed), plan);
    note_small_labels(plan, counts_of(plan.training.targets, plan.labels.size()),
                      counts_of(plan.validation.targets, plan.labels.size()));
    return plan;
  }

  at::Tensor batch(const Targets&, std::span<const std::int32_t> rows, std::size_t) const override {
    return at::tensor(std::vector<std::int64_t>(rows.begin(), rows.end()), at::kLong);
  }

  at::Tensor loss(const at::Tensor& logits, const at::Tensor& batch) const override {
    return at::cross_entropy_loss(logits, batch);
  }

  std::optional<std::int64_t> right(const at::Tensor& logits,
                                    const at::Tensor& batch) const override {
    return logits.argmax(1).eq(batch).sum().item<std::int64_t>();
  }

  std::vector<float> scores(const at::Tensor& logits) const override {
    const at::Tensor scores = at::softmax(logits, -1).contiguous();
    const float* const values = scores.const_data_ptr<float>();
    return {values, values + scores.numel()};
  }

  // Of more than two labels the answer alone.
  std::vector<float> kept_scores(std::vector<float> scores) const override {
    if (scores.size() > 2)
      scores = {static_cast<float>(std::ranges::max_element(scores) - scores.begin())};
    return scores;
  }
  std::size_t kept_scores(std::size_t outputs) const override { return outputs > 2 ? 1 : outputs; }

  Measured measure(const Answered& answered) const override;
};

Metrics metrics_of_answers(std::span<const std::int32_t> predicted,
                           std::span<const std::int32_t> truth,
                           std::span<const LabelCounts> counts) {
  return {{"valid_accuracy", accuracy(predicted, truth)},
          {"valid_macro_f1", macro_f1_of_present(counts)},
          {"valid_weighted_f1", weighted_f1(counts)},
          {"valid_matthews", matthews_correlation(predicted, truth)}};
}

// The cells with the most rows, of which a report has room for some thousand.
std::vector<ConfusionCell> confusion_of(std::span<const std::int32_t> predicted,
                                        std::span<const std::int32_t> truth) {
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> rows;
  for (std::size_t i = 0; i < truth.size(); ++i) ++rows[{truth[i], predicted[i]}];
  std::vector<ConfusionCell> cells;
  cells.reserve(rows.size());
  for (const auto& [cell, count] : rows) cells.push_back({cell.first, cell.second, count});
  if (cells.size() <= most_confusion_cells) return cells;
  std::stable_sort(cells.begin(), cells.end(),
                   [](const ConfusionCell& a, const ConfusionCell& b) { return a.rows > b.rows; });
  cells.resize(most_confusion_cells);
  std::sort(cells.begin(), cells.end(), [](const ConfusionCell& a, const ConfusionCell& b) {
    return std::pair(a.truth, a.predicted) < std::pair(b.truth, b.predicted);
  });
  return cells;
}

Measured Classification::measure(const Answered& answered) const {
  const std::size_t labels = answered.labels.size();
  const std::span<const std::int32_t> truth = answered.validation;
  std::vector<std::int32_t> predicted;
  for (std::size_t row = 0; row < truth.size(); ++row) {
    const auto kept = answered.scores.subspan(row * kept_scores(labels), kept_scores(labels));
    predicted.push_back(
        labels > 2 ? static_cast<std::int32_t>(kept[0])
                   : static_cast<std::int32_t>(std::ranges::max_element(kept) - kept.begin()));
  }
  const std::vector<LabelCounts> counts = count_labels(predicted, truth, labels);
  const std::vector<std::size_t> trained = counts_of(answered.training, labels);
  Measured measured;
  measured.metrics = metrics_of_answers(predicted, truth, counts);
  if (labels == 2) {
    const std::size_t rare = trained[0] < trained[1] ? 0 : 1;
    std::vector<float> scores;
    std::vector<std::uint8_t> positive;
    for (std::size_t row = 0; row < truth.size(); ++row) {
      scores.push_back(answered.scores[row * 2 + rare]);
      positive.push_back(static_cast<std::size_t>(truth[row]) == rare ? 1 : 0);
    }
    measured.metrics.set("valid_rare_f1", counts[rare].f1());
    measured.metrics.set("valid_roc_auc", roc_auc(scores, positive));
  }

  TaskReport& report = measured.report;
  report.rows = static_cast<std::int64_t>(truth.size());
  report.labels = report_labels(answered.labels, counts);
  report.confusion = confusion_of(predicted, truth);
  const auto commonest =
      static_cast<std::int32_t>(std::ranges::max_element(trained) - trained.begin());
  const std::vector<std::int32_t> always(truth.size(), commonest);
  report.baseline.answer = "always " + quoted_label(answered.labels[std::size_t(commonest)]) +
                           " (the commonest label of the training rows)";
  report.baseline.metrics = metrics_of_answers(always, truth, count_labels(always, truth, labels));
  return measured;
}

}  // namespace

const Kind& classification_kind() {
  static const Classification kind;
  return kind;
}

}  // namespace graft
