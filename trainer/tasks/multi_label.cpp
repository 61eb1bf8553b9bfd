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

// Kept at the end of an epoch, as float.
constexpr std::size_t most_validation_scores = std::size_t{64} << 20;

// The labels of a file's sets, by the order of their names.
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

// So that rare labels are on both sides: rows are drawn among those with the same rarest label, and
// together where these are too few to give one.
std::vector<std::int32_t> strata_of(const LabelColumn& training, const Targets& targets,
                                    std::size_t labels, double fraction) {
  const std::vector<std::size_t> counts = counts_of(targets, training.ids, labels);
  const auto none = static_cast<std::int32_t>(labels), together = none + 1;
  std::vector<std::int32_t> strata;  // of each set
  for (std::size_t set = 0; set < training.labels.size(); ++set) {
    const std::vector<std::int32_t>& has = targets.labels[set];
    const auto rarest = std::min_element(has.begin(), has.end(), [&](auto a, auto b) {
      return counts[static_cast<std::size_t>(a)] < counts[static_cast<std::size_t>(b)];
    });
    strata.push_back(rarest == has.end() ? none : *rarest);
  }
  std::vector<double> rows(labels + 1);
  for (const std::int32_t set : training.ids)
    ++rows[static_cast<std::size_t>(strata[static_cast<std::size_t>(set)])];
  for (std::int32_t& stratum : strata)
    if (rows[static_cast<std::size_t>(stratum)] * fraction < 1) stratum = together;
  return strata;
}

// A row of each label at least: those that have none go back.
void keep_in_training(const LabelColumn& column, const TaskPlan& plan, Split& split) {
  const auto labels_of = [&](std::size_t row) -> const std::vector<std::int32_t>& {
    return plan.targets.labels[static_cast<std::size_t>(column.ids[row])];
  };
  std::vector<bool> trained(plan.labels.size());
  for (const std::size_t row : split.training)
    for (const std::int32_t label : labels_of(row)) trained[static_cast<std::size_t>(label)] = true;
  std::vector<std::size_t> validation;
  for (const std::size_t row : split.validation) {
    const bool needed = std::ranges::any_of(labels_of(row), [&](std::int32_t label) {
      return !trained[static_cast<std::size_t>(label)];
    });
    (needed ? split.training : validation).push_back(row);
    if (!needed) continue;
    for (const std::int32_t label : labels_of(row)) trained[static_cast<std::size_t>(label)] = true;
  }
  split.validation = std::move(validation);
  std::sort(split.training.begin(), split.training.end());
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
  std::optional<std::int64_t> right(const at::Tensor& logits,
                                    const at::Tensor& batch) const override {
    return logits.gt(0).eq(batch.gt(0)).all(1).sum().item<std::int64_t>();
  }

  std::vector<float> scores(const at::Tensor& logits) const override {
    const at::Tensor scores = at::sigmoid(logits).contiguous();
    const float* const values = scores.const_data_ptr<float>();
    return {values, values + scores.numel()};
  }

  std::optional<double> threshold(const std::optional<TaskReport>& report) const override {
    return report && report->threshold ? *report->threshold : 0.5;
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
  refuse_too_many_labels(input, plan.labels.size());
  std::string_view unknown;
  std::vector<std::int32_t> own, of_validation;
  for (const std::string& set : input.training.labels) {
    own.push_back(static_cast<std::int32_t>(plan.targets.labels.size()));
    plan.targets.labels.push_back(*places_of(set, plan.labels, unknown));
  }
  const std::vector<std::int32_t> strata =
      strata_of(input.training, plan.targets, plan.labels.size(), input.validation_fraction);
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
  Split split =
      split_validation(of_rows(strata, input.training.ids), input.validation_fraction, input.seed);
  keep_in_training(input.training, plan, split);
  choose_rows(input, own, of_validation, split, plan);
  if (plan.validation.rows.size() > most_validation_scores / plan.labels.size())
    throw DataError(FileRole::training, input.training_name, 0, "",
                    "there are " + std::to_string(plan.validation.rows.size()) +
                        " validation rows of " + std::to_string(plan.labels.size()) +
                        " labels, more than can be measured; give fewer validation rows");
  note_small_labels(plan, counts_of(plan.targets, plan.training.targets, plan.labels.size()),
                    counts_of(plan.targets, plan.validation.targets, plan.labels.size()));
  return plan;
}

// Thresholds are thousandths: finer than scores of rare labels need, coarse enough to be told.
constexpr int steps = 1000;

// For those who compare: as float, which scores are.
float threshold_at(int step) {
  return static_cast<float>(static_cast<double>(step) / steps);
}

// Calls of_row(scores of a row, by label whether it has it).
void for_each_row(const Answered& answered, auto&& of_row) {
  const std::size_t labels = answered.labels.size();
  std::vector<bool> has(labels);
  for (std::size_t row = 0; row < answered.validation.size(); ++row) {
    std::fill(has.begin(), has.end(), false);
    for (const std::int32_t label :
         answered.targets.labels[static_cast<std::size_t>(answered.validation[row])])
      has[static_cast<std::size_t>(label)] = true;
    of_row(answered.scores.subspan(row * labels, labels), has);
  }
}

std::vector<LabelCounts> count_at(const Answered& answered, float threshold) {
  const std::size_t labels = answered.labels.size();
  std::vector<LabelCounts> counts(labels);
  for_each_row(answered, [&](std::span<const float> scores, const std::vector<bool>& has) {
    for (std::size_t label = 0; label < labels; ++label) {
      const bool predicted = scores[label] >= threshold;
      counts[label].truly += has[label] ? 1 : 0;
      counts[label].predicted += predicted ? 1 : 0;
      counts[label].hits += predicted && has[label] ? 1 : 0;
    }
  });
  return counts;
}

// The largest step that a score reaches.
int reached(float score) {
  int step = std::clamp(static_cast<int>(score * steps), 0, steps);
  while (step < steps && score >= threshold_at(step + 1)) ++step;
  while (step > 0 && score < threshold_at(step)) --step;
  return step;
}

// Of the steps with the best macro F1 the middle of their run, for the others' sake; of several
// runs that nearest to a half.
int best_step(const Answered& answered) {
  const std::size_t labels = answered.labels.size();
  // By label and step: rows whose score reaches it and no more, and those of them that have the
  // label.
  struct Cell {
    std::int32_t rows = 0, hits = 0;
  };
  std::vector<Cell> cells(labels * (steps + 1));
  std::vector<std::int64_t> truly(labels);
  for_each_row(answered, [&](std::span<const float> scores, const std::vector<bool>& has) {
    for (std::size_t label = 0; label < labels; ++label) {
      Cell& cell = cells[label * (steps + 1) + static_cast<std::size_t>(reached(scores[label]))];
      ++cell.rows;
      cell.hits += has[label] ? 1 : 0;
      truly[label] += has[label] ? 1 : 0;
    }
  });
  std::vector<double> macro_f1(steps);  // of steps 1 to steps - 1
  for (std::size_t label = 0; label < labels; ++label) {
    LabelCounts above{.truly = truly[label]};
    for (std::size_t step = steps; step > 0; --step) {
      above.predicted += cells[label * (steps + 1) + step].rows;
      above.hits += cells[label * (steps + 1) + step].hits;
      if (step < steps) macro_f1[step] += above.f1();
    }
  }
  const double best = *std::max_element(macro_f1.begin() + 1, macro_f1.end());
  int chosen = 0, least_away = steps;
  for (int begin = 1, end = 1; begin < steps; begin = std::max(end, begin + 1)) {
    for (end = begin; end < steps && macro_f1[static_cast<std::size_t>(end)] == best;) ++end;
    if (end == begin) continue;
    const int away = std::max({begin - steps / 2, steps / 2 - (end - 1), 0});
    if (away >= least_away) continue;
    least_away = away;
    chosen = (begin + end - 1) / 2;
  }
  return chosen;
}

double mean_average_precision(const Answered& answered) {
  const std::size_t labels = answered.labels.size(), rows = answered.validation.size();
  double sum = 0;
  std::vector<float> scores(rows);
  std::vector<std::uint8_t> positive(rows);
  for (std::size_t label = 0; label < labels; ++label) {
    for (std::size_t row = 0; row < rows; ++row) {
      const auto& has = answered.targets.labels[static_cast<std::size_t>(answered.validation[row])];
      scores[row] = answered.scores[row * labels + label];
      positive[row] =
          std::binary_search(has.begin(), has.end(), static_cast<std::int32_t>(label)) ? 1 : 0;
    }
    sum += average_precision(scores, positive);
  }
  return sum / static_cast<double>(labels);
}

// Every label answered to every row: of all constant answers that with the best F1.
Baseline baseline_of(const Answered& answered) {
  std::vector<LabelCounts> counts(answered.labels.size());
  for (const std::int32_t row : answered.validation)
    for (const std::int32_t label : answered.targets.labels[static_cast<std::size_t>(row)])
      ++counts[static_cast<std::size_t>(label)].truly;
  for (LabelCounts& count : counts) {
    count.predicted = static_cast<std::int64_t>(answered.validation.size());
    count.hits = count.truly;
  }
  return {"always every label",
          {{"valid_macro_f1", macro_f1_of_all(counts)}, {"valid_micro_f1", micro_f1(counts)}}};
}

Measured MultiLabel::measure(const Answered& answered) const {
  const int step = best_step(answered);
  const std::vector<LabelCounts> counts = count_at(answered, threshold_at(step));
  Measured measured;
  measured.metrics = {{"valid_macro_f1", macro_f1_of_all(counts)},
                      {"valid_micro_f1", micro_f1(counts)},
                      {"valid_average_precision", mean_average_precision(answered)}};
  measured.report.rows = static_cast<std::int64_t>(answered.validation.size());
  measured.report.labels = report_labels(answered.labels, counts);
  measured.report.threshold = static_cast<double>(step) / steps;
  measured.report.baseline = baseline_of(answered);
  return measured;
}

}  // namespace

const Kind& multi_label_kind() {
  static const MultiLabel kind;
  return kind;
}

}  // namespace graft
