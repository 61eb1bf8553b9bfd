// A number a row. Training sees it standardized by the training rows' mean and deviation, for the
// mean squared error; the head that answers has both folded into its last layer, so that it, and
// the exported one, answers in the customer's units.
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "trainer/contract/seeded_random.h"
#include "trainer/tasks/kinds.h"
#include "trainer/tasks/metrics.h"
#include "trainer/text/dataset_reading.h"

namespace graft {
namespace {

// Answers are float, whose steps are a ten-millionth of their size.
constexpr double least_deviation = 1e-5;  // of the size of the numbers

// Of the file's own labels; throws DataError for those that are no number.
std::vector<double> numbers_of(FileRole role, const PlanInput& input) {
  const LabelColumn& column = role == FileRole::training ? input.training : *input.validation;
  std::vector<double> numbers;
  std::vector<std::string> faults;
  for (const std::string& label : column.labels) {
    const std::optional<double> number = score_of(label);
    faults.push_back(number ? ""
                            : quoted_label(label) +
                                  " is no number to learn; every row of a regression needs a "
                                  "finite one of at most 1e30");
    numbers.push_back(number.value_or(0));
  }
  refuse_labels(role, input, faults);
  return numbers;
}

// Of the rows by rising number one in so many, drawn from each stretch of as many by the seed: both
// sides have numbers of all sizes.
Split split_by_number(const LabelColumn& training, const std::vector<double>& numbers,
                      double fraction, std::uint64_t seed) {
  const std::size_t rows = training.ids.size();
  std::vector<std::size_t> order(rows);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return numbers[static_cast<std::size_t>(training.ids[a])] <
           numbers[static_cast<std::size_t>(training.ids[b])];
  });
  const auto wanted = static_cast<std::size_t>(std::lround(fraction * static_cast<double>(rows)));
  const std::size_t count = std::min(wanted, rows - 1);
  std::vector<bool> validates(rows);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t begin = i * rows / count, end = (i + 1) * rows / count;
    validates[order[begin + random_bits(seed, i) % (end - begin)]] = true;
  }
  Split split;
  for (std::size_t row = 0; row < rows; ++row)
    (validates[row] ? split.validation : split.training).push_back(row);
  return split;
}

class Regression : public Kind {
 public:
  TaskKind name() const override { return TaskKind::regression; }
  std::string_view head_type() const override { return "classification"; }  // with one output
  TaskPlan plan(const PlanInput& input) const override;

  at::Tensor batch(const Targets& targets, std::span<const std::int32_t> rows,
                   std::size_t) const override {
    std::vector<float> numbers;
    numbers.reserve(rows.size());
    for (const std::int32_t row : rows)
      numbers.push_back(static_cast<float>(
          (targets.numbers[static_cast<std::size_t>(row)] - targets.mean) / targets.deviation));
    return at::tensor(numbers).unsqueeze(1);
  }

  at::Tensor loss(const at::Tensor& logits, const at::Tensor& batch) const override {
    return at::mse_loss(logits, batch);
  }

  std::optional<std::int64_t> right(const at::Tensor&, const at::Tensor&) const override {
    return std::nullopt;
  }

  Head answering_head(const Head& trained, const Targets& targets) const override {
    Head head = trained;
    head.output.weight = trained.output.weight.detach() * targets.deviation;
    head.output.bias = trained.output.bias.detach() * targets.deviation + targets.mean;
    return head;
  }

  std::vector<float> scores(const at::Tensor& logits) const override {
    return {logits[0].item<float>()};
  }

  double row_loss(const at::Tensor& logits, const Targets& targets,
                  std::int32_t target) const override {
    const double away =
        logits[0].item<double>() - targets.numbers[static_cast<std::size_t>(target)];
    return away * away / targets.deviation / targets.deviation;
  }

  Measured measure(const Answered& answered) const override;
};

TaskPlan Regression::plan(const PlanInput& input) const {
  check_same_shape(input);
  if (input.training.form == TargetForm::label_list)
    refuse_training_file(input,
                         "task_kind \"regression\" needs a number a row, as the member \"score\" "
                         "or \"label\"; the rows have lists of labels");
  TaskPlan plan;
  plan.kind = name();
  plan.labels = {"score"};
  Targets& targets = plan.targets;
  targets.numbers = numbers_of(FileRole::training, input);
  const Split split =
      split_by_number(input.training, targets.numbers, input.validation_fraction, input.seed);
  const auto own_count = static_cast<std::ptrdiff_t>(targets.numbers.size());
  std::vector<std::int32_t> own(targets.numbers.size());
  std::iota(own.begin(), own.end(), 0);
  std::vector<std::int32_t> of_validation;
  if (input.validation != nullptr)
    for (const double number : numbers_of(FileRole::validation, input)) {
      of_validation.push_back(static_cast<std::int32_t>(targets.numbers.size()));
      targets.numbers.push_back(number);
    }
  choose_rows(input, own, of_validation, split, plan);

  const auto number = [&](std::int32_t row) {
    return targets.numbers[static_cast<std::size_t>(row)];
  };
  const auto rows = static_cast<double>(plan.training.targets.size());
  double sum = 0, squares = 0;
  for (const std::int32_t row : plan.training.targets) sum += number(row);
  targets.mean = sum / rows;
  for (const std::int32_t row : plan.training.targets)
    squares += (number(row) - targets.mean) * (number(row) - targets.mean);
  targets.deviation = std::sqrt(squares / rows);
  const auto [least, most] =
      std::minmax_element(targets.numbers.begin(), targets.numbers.begin() + own_count);
  if (*least == *most)
    refuse_training_file(input, "every row has the score " +
                                    quoted_label(input.training.labels.front()) +
                                    "; there is nothing to learn from it");
  if (targets.deviation == 0)
    refuse_training_file(input,
                         "the training rows that are left beside the validation rows all have one "
                         "score; give more rows, or a validation file");
  if (targets.deviation <= least_deviation * std::max(std::abs(*least), std::abs(*most)))
    refuse_training_file(
        input,
        "the scores differ by too little beside their size to be answered as 32-bit numbers; take "
        "their mean off them, or give more training rows");
  return plan;
}

Measured Regression::measure(const Answered& answered) const {
  std::vector<double> predicted(answered.scores.begin(), answered.scores.end()), truth;
  truth.reserve(predicted.size());
  for (const std::int32_t row : answered.validation)
    truth.push_back(answered.targets.numbers[static_cast<std::size_t>(row)]);
  Measured measured;
  measured.metrics = {{"valid_pearson", pearson(predicted, truth)},
                      {"valid_spearman", spearman(predicted, truth)},
                      {"valid_mse", mean_squared_error(predicted, truth)},
                      {"valid_mae", mean_absolute_error(predicted, truth)}};
  TaskReport& report = measured.report;
  report.rows = static_cast<std::int64_t>(truth.size());
  const std::vector<double> always(truth.size(), answered.targets.mean);
  report.baseline = {"always the mean of the training rows",
                     {{"valid_mse", mean_squared_error(always, truth)},
                      {"valid_mae", mean_absolute_error(always, truth)}}};
  return measured;
}

}  // namespace

const Kind& regression_kind() {
  static const Regression kind;
  return kind;
}

}  // namespace graft
