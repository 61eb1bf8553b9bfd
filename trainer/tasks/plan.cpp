// What the kinds' plans have in common.
#include "trainer/tasks/plan.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include "trainer/contract/row_shape.h"
#include "trainer/text/dataset_reading.h"
#include "trainer/text/row_doubts.h"

namespace graft {
namespace {

constexpr double largest_score = 1e30;
constexpr std::size_t few_rows = 5;    // of a label: fewer are told
constexpr std::size_t most_named = 5;  // labels in a sentence

ChosenRows choose_all(std::vector<std::int32_t> targets) {
  ChosenRows chosen;
  chosen.rows.resize(targets.size());
  std::iota(chosen.rows.begin(), chosen.rows.end(), 0U);
  chosen.targets = std::move(targets);
  return chosen;
}

ChosenRows choose_some(std::span<const std::int32_t> targets, std::span<const std::size_t> rows) {
  ChosenRows chosen;
  for (const std::size_t row : rows) {
    chosen.rows.push_back(static_cast<std::uint32_t>(row));
    chosen.targets.push_back(targets[row]);
  }
  return chosen;
}

}  // namespace

std::optional<double> score_of(std::string_view label) {
  if (label.starts_with('+')) label.remove_prefix(1);
  double number = 0;
  const auto [rest, error] = std::from_chars(label.data(), label.data() + label.size(), number);
  const bool whole = error == std::errc() && rest == label.data() + label.size();
  if (!whole || !std::isfinite(number) || std::abs(number) > largest_score) return std::nullopt;
  return number;
}

std::string list_labels(std::span<const std::string> labels, std::span<const std::size_t> places) {
  std::string list;
  for (std::size_t i = 0; i < std::min(places.size(), most_named); ++i)
    list += (i > 0 ? ", " : "") + quoted_label(labels[places[i]]);
  return list + (places.size() > most_named ? ", …" : "");
}

void refuse_too_many_labels(const PlanInput& input, std::size_t labels) {
  if (labels > max_classes)
    refuse_training_file(
        input, "the rows have " + std::to_string(labels) + " different labels, more than " +
                   std::to_string(max_classes) +
                   "; is the label really the name of a class? (task_kind \"regression\" learns "
                   "numbers)");
}

std::vector<std::int32_t> of_rows(std::span<const std::int32_t> of_labels,
                                  std::span<const std::int32_t> label_ids) {
  std::vector<std::int32_t> values;
  values.reserve(label_ids.size());
  for (const std::int32_t id : label_ids) values.push_back(of_labels[static_cast<std::size_t>(id)]);
  return values;
}

void check_same_shape(const PlanInput& input) {
  if (input.validation == nullptr) return;
  const LabelColumn& validation = *input.validation;
  const auto fail = [&](const char* member, const std::string& problem) {
    throw DataError(FileRole::validation, input.validation_name, validation.lines.front(), member,
                    problem + "; both files need the same members or columns");
  };
  if (validation.pairs != input.training.pairs)
    fail("text_pair", input.training.pairs
                          ? "the row is no pair of texts, the training rows are"
                          : "the row is a pair of texts, the training rows are not");
  if (validation.form != input.training.form)
    fail("label", "the row has " + std::string(words_of(validation.form)) +
                      ", the training rows have " + std::string(words_of(input.training.form)));
}

void choose_rows(const PlanInput& input, std::span<const std::int32_t> training,
                 std::span<const std::int32_t> validation, const Split& split, TaskPlan& plan) {
  std::vector<std::int32_t> targets = of_rows(training, input.training.ids);
  if (input.validation != nullptr) {
    plan.training = choose_all(std::move(targets));
    plan.validation = choose_all(of_rows(validation, input.validation->ids));
  } else {
    plan.training = choose_some(targets, split.training);
    plan.validation = choose_some(targets, split.validation);
  }
  if (plan.validation.rows.empty())
    plan.notes.push_back({"warn",
                          "There is no validation row: the last epoch is kept, and there are no "
                          "validation numbers."});
}

std::string unknown_label(std::string_view label, std::span<const std::string> known) {
  const std::string fault = "the label \"" + std::string(label) + "\" is on no training row";
  const auto number = number_of(label);
  for (const std::string& other : known)
    if (column_name(other) == column_name(label) || (number && number_of(other) == number))
      return fault + "; they have \"" + other + "\", write it so";
  return fault + "; remove the row or add training rows with this label";
}

void refuse_labels(FileRole role, const PlanInput& input, std::span<const std::string> faults) {
  const bool training = role == FileRole::training;
  const LabelColumn& column = training ? input.training : *input.validation;
  FaultList list(role, training ? input.training_name : input.validation_name);
  for (std::size_t row = 0; row < column.ids.size(); ++row) {
    const std::string& fault = faults[static_cast<std::size_t>(column.ids[row])];
    if (!fault.empty()) list.add(column.lines[row], {"label", fault});
  }
  list.throw_if_any();
}

void refuse_training_file(const PlanInput& input, const std::string& problem) {
  throw DataError(FileRole::training, input.training_name, 0, "label", problem);
}

void note_small_labels(TaskPlan& plan, std::span<const std::size_t> training,
                       std::span<const std::size_t> validation) {
  std::vector<std::size_t> small, unvalidated;
  for (std::size_t label = 0; label < plan.labels.size(); ++label) {
    if (training[label] + validation[label] < few_rows) small.push_back(label);
    if (validation[label] == 0) unvalidated.push_back(label);
  }
  if (!small.empty())
    plan.notes.push_back(
        {"warn", "Classes with fewer than five rows: " + std::to_string(small.size()) + " of " +
                     std::to_string(plan.labels.size()) + " (" + list_labels(plan.labels, small) +
                     "); they are trained on all the same."});
  if (!plan.validation.rows.empty() && !unvalidated.empty())
    plan.notes.push_back(
        {"warn", "Classes without a validation row: " + std::to_string(unvalidated.size()) + " (" +
                     list_labels(plan.labels, unvalidated) +
                     "); validation says nothing of them."});
}

}  // namespace graft
