// A set of labels a row, which may be empty: a sigmoid each label, binary cross-entropy. A label is
// answered where its score reaches a threshold, one for all, chosen on the validation rows.
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "trainer/tasks/kinds.h"
#include "trainer/tasks/label_report.h"
#include "trainer/tasks/metrics.h"

namespace graft {
namespace {

// The labels of both files' own sets, by the order of their names.
std::vector<std::string> names_in(const LabelColumn& column) {
  std::vector<std::string> names;
  for (const std::string& set : column.labels)
    for (const std::string_view name : labels_of_set(set)) names.emplace_back(name);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

// Places of a set's labels among the names; nullopt with the one that is not there.
std::optional<std::vector<std::int32_t>> places_of(const std::string& set,
                                                   const std::vector<std::string>& names,
                                                   std::string_view& unknown) {
  std::vector<std::int32_t> places;
  for (const std::string_view name : labels_of_set(set)) {
    const auto found = std::lower_bound(names.begin(), names.end(), name);
    if (found == names.end() || *found != name) {
      unknown = name;
      return std::nullopt;
    }
    places.push_back(static_cast<std::int32_t>(found - names.begin()));
  }
  std::sort(places.begin(), places.end());
  return places;
}

// Rows that have each label.
std::vector<std::size_t> counts_of(const Targets& targets, std::span<const std::int32_t> rows,
                                   std::size_t labels) {
  std::vector<std::size_t> counts(labels);
  for (const std::int32_t row : rows)
    for (const std::int32_t label : targets.labels[static_cast<std::size_t>(row)])
      ++counts[static_cast<std::size_t>(label)];
  return counts;
}

// So that rare labels are on both sides: rows are drawn among those with the same rarest label.
std::vector<std::int32_t> strata_of(const LabelColumn& training, const Targets& targets,
                                    std::size_t labels) {
  const std::vector<std::size_t> counts = counts_of(targets, training.ids, labels);
  std::vector<std::int32_t> strata;
  for (std::size_t set = 0; set < training.labels.size(); ++set) {
    const std::vector<std::int32_t>& has = targets.labels[set];
    const auto rarest = std::min_element(has.begin(), has.end(), [&](auto a, auto b) {
      return counts[static_cast<std::size_t>(a)] < counts[static_cast<std::size_t>(b)];
    });
    strata.push_back(rarest == has.end() ? static_cast<std::int32_t>(labels) : *rarest);
  }
  return strata;
}

class MultiLabel : public Kind {
 public:
  TaskKind name() const override { return TaskKind::multi_label; }
  std::string_view head_type() const override { return "multilabel_classification"; }
  TaskPlan plan(const PlanInput& input) const override;

  at::Tensor batch(const Targets& targets, std::span<const std::int32_t> rows,
                   std::size_t outputs) const override {
    at::Tensor batch =
        at::zeros({static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(outputs)});
    float* const values = batch.mutable_data_ptr<float>();
    for (std::size_t row = 0; row < rows.size(); ++row)
      for (const std::int32_t label : targets.labels[static_cast<std::size_t>(rows[row])])
        values[row * outputs + static_cast<std::size_t>(label)] = 1;
    return batch;
  }

  at::Tensor loss(const at::Tensor& logits, const at::Tensor& batch) const override {
    return at::binary_cross_entropy_with_logits(logits, batch);
  }

  // All labels of the row, and no other.
  std::int64_t right(const at::Tensor& logits, const at::Tensor& batch) const override {
    return logits.gt(0).eq(batch.gt(0)).all(1).sum().item<std::int64_t>();
  }

  std::vector<float> scores(const at::Tensor& logits) const override {
    const at::Tensor scores = at::sigmoid(logits).contiguous();
    const float* const values = scores.const_data_ptr<float>();
    return {values, values + scores.numel()};
  }

  Measured measure(const Answered& answered) const override;
};

TaskPlan MultiLabel::plan(const PlanInput& input) const {
  check_same_shape(input);
  if (input.training.form != TargetForm::label_list)
    refuse_training_file(input,
                         "task_kind \"multi_label\" needs a list of labels a row, as the member "
                         "\"labels\"; the rows have " +
                             std::string(words_of(input.training.form)));
  TaskPlan plan;
  plan.kind = name();
  plan.labels = names_in(input.training);
  if (plan.labels.empty()) refuse_training_file(input, "no row has a label");
  if (plan.labels.size() > max_classes)
    refuse_training_file(input, "the rows have " + std::to_string(plan.labels.size()) +
                                    " different labels, more than " + std::to_string(max_classes) +
                                    "; is the label really the name of a class?");
  std::string_view unknown;
  std::vector<std::int32_t> own, of_validation;
  for (const std::string& set : input.training.labels) {
    own.push_back(static_cast<std::int32_t>(plan.targets.labels.size()));
    plan.targets.labels.push_back(*places_of(set, plan.labels, unknown));
  }
  const std::vector<std::int32_t> strata =
      strata_of(input.training, plan.targets, plan.labels.size());
  if (input.validation != nullptr) {
    std::vector<std::string> faults;
    for (const std::string& set : input.validation->labels) {
      auto places = places_of(set, plan.labels, unknown);
      faults.push_back(places ? "" : unknown_label(unknown, plan.labels));
      of_validation.push_back(static_cast<std::int32_t>(plan.targets.labels.size()));
      plan.targets.labels.push_back(places ? *std::move(places) : std::vector<std::int32_t>());
    }
    refuse_labels(FileRole::validation, input, faults);
  }
  choose_rows(input, own, of_validation, strata, plan);
  note_small_labels(plan, counts_of(plan.targets, plan.training.targets, plan.labels.size()),
                    counts_of(plan.targets, plan.validation.targets, plan.labels.size()));
  return plan;
}

// A row's answers by threshold, counted by label.
std::vector<LabelCounts> count_at(const Answered& answered, float threshold) {
  const std::size_t labels = answered.labels.size();
  std::vector<LabelCounts> counts(labels);
  std::vector<bool> truly(labels);
  for (std::size_t row = 0; row < answered.validation.size(); ++row) {
    std::fill(truly.begin(), truly.end(), false);
    for (const std::int32_t label :
         answered.targets.labels[static_cast<std::size_t>(answered.validation[row])])
      truly[static_cast<std::size_t>(label)] = true;
    for (std::size_t label = 0; label < labels; ++label) {
      const bool predicted = answered.scores[row * labels + label] >= threshold;
      counts[label].truly += truly[label] ? 1 : 0;
      counts[label].predicted += predicted ? 1 : 0;
      counts[label].hits += predicted && truly[label] ? 1 : 0;
    }
  }
  return counts;
}

// The hundredth with the best macro F1; of equals the one nearest to a half.
float best_threshold(const Answered& answered) {
  int best = 50;
  double best_f1 = macro_f1_of_all(count_at(answered, 0.5F));
  for (int away = 1; away < 50; ++away)
    for (const int hundredth : {50 - away, 50 + away}) {
      const double f1 = macro_f1_of_all(count_at(answered, static_cast<float>(hundredth) / 100));
      if (f1 <= best_f1) continue;
      best = hundredth;
      best_f1 = f1;
    }
  return static_cast<float>(best) / 100;
}

double mean_average_precision(const Answered& answered) {
  const std::size_t labels = answered.labels.size(), rows = answered.validation.size();
  std::vector<std::uint8_t> positive(rows * labels);
  for (std::size_t row = 0; row < rows; ++row)
    for (const std::int32_t label :
         answered.targets.labels[static_cast<std::size_t>(answered.validation[row])])
      positive[static_cast<std::size_t>(label) * rows + row] = 1;
  double sum = 0;
  std::vector<float> scores(rows);
  for (std::size_t label = 0; label < labels; ++label) {
    for (std::size_t row = 0; row < rows; ++row)
      scores[row] = answered.scores[row * labels + label];
    sum += average_precision(scores, std::span(positive).subspan(label * rows, rows));
  }
  return sum / static_cast<double>(labels);
}

// What the commonest set of the training rows would get, answered to every row.
Baseline baseline_of(const Answered& answered) {
  std::vector<std::size_t> sets(answered.targets.labels.size());
  for (const std::int32_t row : answered.training) ++sets[static_cast<std::size_t>(row)];
  const auto commonest = static_cast<std::size_t>(std::ranges::max_element(sets) - sets.begin());
  const std::vector<std::int32_t>& set = answered.targets.labels[commonest];
  std::vector<float> always(answered.scores.size(), 0.0F);
  std::string names;
  for (const std::int32_t label : set) {
    const auto place = static_cast<std::size_t>(label);
    for (std::size_t i = place; i < always.size(); i += answered.labels.size()) always[i] = 1;
    names += (names.empty() ? "" : ", ") + quoted_label(answered.labels[place]);
  }
  const Answered constant{answered.targets, answered.training, answered.validation, answered.labels,
                          always};
  const std::vector<LabelCounts> counts = count_at(constant, 0.5F);
  return {"always " + (names.empty() ? "no label" : names) +
              ", the commonest set of labels of the training rows",
          {{"valid_macro_f1", macro_f1_of_all(counts)}, {"valid_micro_f1", micro_f1(counts)}}};
}

Measured MultiLabel::measure(const Answered& answered) const {
  const float threshold = best_threshold(answered);
  const std::vector<LabelCounts> counts = count_at(answered, threshold);
  Measured measured;
  measured.metrics = {{"valid_macro_f1", macro_f1_of_all(counts)},
                      {"valid_micro_f1", micro_f1(counts)},
                      {"valid_average_precision", mean_average_precision(answered)}};
  measured.report.rows = static_cast<std::int64_t>(answered.validation.size());
  measured.report.labels = report_labels(answered.labels, counts);
  measured.report.threshold = static_cast<double>(threshold);
  measured.report.baseline = baseline_of(answered);
  return measured;
}

}  // namespace

const Kind& multi_label_kind() {
  static const MultiLabel kind;
  return kind;
}

}  // namespace graft
