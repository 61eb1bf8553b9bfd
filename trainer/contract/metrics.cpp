// The table of metrics; see the header.
#include "trainer/contract/metrics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

#include "trainer/contract/kind_table.h"
#include "trainer/contract/members_json.h"
#include "trainer/contract/metrics_members.h"

namespace graft {
namespace {

using Split = Metric::Split;
using Better = Metric::Better;

constexpr std::array table{
    Metric{.name = "train_loss",
           .doc = "Mean loss of the training rows, over the epoch or since the last progress",
           .split = Split::training,
           .better = Better::smaller,
           .checkpoint_name = "train_loss",
           .column = "train_loss"},
    Metric{.name = "train_accuracy",
           .doc = "Share of the training rows that were right when they were trained on",
           .split = Split::training,
           .better = Better::greater,
           .checkpoint_name = "train_mean_token_accuracy",
           .column = "train_accuracy"},
    Metric{.name = "valid_loss",
           .doc = "Mean loss of the validation rows",
           .split = Split::validation,
           .better = Better::smaller,
           .checkpoint_name = "valid_loss",
           .full_checkpoint_name = "full_valid_loss",
           .column = "valid_loss"},
    Metric{.name = "valid_accuracy",
           .doc = "Share of the validation rows that are right",
           .split = Split::validation,
           .better = Better::greater,
           .checkpoint_name = "valid_mean_token_accuracy",
           .full_checkpoint_name = "full_valid_mean_token_accuracy",
           .column = "valid_mean_token_accuracy"},
    Metric{.name = "valid_macro_f1",
           .doc = "Mean over the labels of the F1 of the validation rows",
           .split = Split::validation,
           .better = Better::greater,
           .checkpoint_name = "valid_macro_f1"},
    Metric{.name = "valid_matthews",
           .doc = "Matthews correlation of the validation rows, 1 for all right, 0 for chance",
           .split = Split::validation,
           .better = Better::greater,
           .checkpoint_name = "valid_matthews"},
    Metric{.name = "valid_weighted_f1",
           .doc = "Mean over the labels of the F1 of the validation rows, each label by its rows",
           .split = Split::validation,
           .better = Better::greater,
           .checkpoint_name = "valid_weighted_f1"},
    Metric{.name = "valid_rare_f1",
           .doc = "F1 of the rarer of two labels on the validation rows",
           .split = Split::validation,
           .better = Better::greater,
           .checkpoint_name = "valid_rare_f1"},
    Metric{.name = "valid_roc_auc",
           .doc = "Area under the ROC curve of the rarer of two labels on the validation rows",
           .split = Split::validation,
           .better = Better::greater,
           .checkpoint_name = "valid_roc_auc"},
    Metric{.name = "valid_micro_f1",
           .doc = "F1 of all labels of the validation rows taken together",
           .split = Split::validation,
           .better = Better::greater,
           .checkpoint_name = "valid_micro_f1"},
    Metric{.name = "valid_average_precision",
           .doc = "Mean over the labels of the average precision of the validation rows",
           .split = Split::validation,
           .better = Better::greater,
           .checkpoint_name = "valid_average_precision"},
    Metric{.name = "valid_pearson",
           .doc = "Pearson correlation of answers and scores of the validation rows",
           .split = Split::validation,
           .better = Better::greater,
           .checkpoint_name = "valid_pearson"},
    Metric{.name = "valid_spearman",
           .doc = "Spearman rank correlation of answers and scores of the validation rows",
           .split = Split::validation,
           .better = Better::greater,
           .checkpoint_name = "valid_spearman"},
    Metric{.name = "valid_mse",
           .doc = "Mean squared error of the validation rows",
           .split = Split::validation,
           .better = Better::smaller,
           .checkpoint_name = "valid_mse"},
    Metric{.name = "valid_mae",
           .doc = "Mean absolute error of the validation rows",
           .split = Split::validation,
           .better = Better::smaller,
           .checkpoint_name = "valid_mae"},
};

std::size_t place_of(std::string_view name) {
  for (std::size_t i = 0; i < table.size(); ++i)
    if (table[i].name == name) return i;
  throw std::logic_error("no metric " + std::string(name));
}

}  // namespace

std::span<const Metric> metric_table() {
  return table;
}

const Metric& metric(std::string_view name) {
  return table[place_of(name)];
}

std::string words_of(const Metric& metric) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 7> written{
      {{"f1", "F1"},
       {"roc auc", "ROC AUC"},
       {"matthews", "Matthews"},
       {"pearson", "Pearson"},
       {"spearman", "Spearman"},
       {"mse", "MSE"},
       {"mae", "MAE"}}};
  std::string words(metric.name.substr(metric.name.find('_') + 1));
  std::replace(words.begin(), words.end(), '_', ' ');
  for (const auto& [plain, usual] : written)
    if (words.ends_with(plain))
      words.replace(words.size() - plain.size(), plain.size(), std::string(usual));
  return words;
}

std::span<const std::string_view> metrics_of(TaskKind kind) {
  return row_of(kind).metrics;
}

const Metric& primary_metric(TaskKind kind) {
  return metric(metrics_of(kind).front());
}

Metrics::Metrics(std::initializer_list<std::pair<std::string_view, double>> numbers) {
  for (const auto& [name, value] : numbers) set(name, value);
}

void Metrics::set(std::string_view name, double value) {
  const std::size_t place = place_of(name);
  auto at = std::find_if(numbers_.begin(), numbers_.end(),
                         [&](const auto& number) { return place_of(number.first) >= place; });
  const bool there = at != numbers_.end() && at->first == name;
  if (!std::isfinite(value)) {
    if (there) numbers_.erase(at);
  } else if (there) {
    at->second = value;
  } else {
    numbers_.emplace(at, name, value);
  }
}

void Metrics::add(const Metrics& others) {
  for (const auto& [name, value] : others.numbers_) set(name, value);
}

std::optional<double> Metrics::get(std::string_view name) const {
  for (const auto& [known, value] : numbers_)
    if (known == name) return value;
  return std::nullopt;
}

bool is_better(const Metric& primary, const Metrics& now, const Metrics& before) {
  for (const Metric* row : {&primary, &metric("valid_loss")}) {
    const auto left = now.get(row->name), right = before.get(row->name);
    if (left.has_value() != right.has_value()) return left.has_value();
    if (left && *left != *right)
      return (*left > *right) == (row->better == Metric::Better::greater);
  }
  return !now.get("valid_loss");
}

std::string write_metrics_text(const Metrics& metrics) {
  Json object = Json::object();
  MemberWriter writer(object);
  describe_numbers(writer, metrics);
  return dump_json(object);
}

Metrics parse_metrics_text(std::string_view text) {
  const Json json = parse_json(text);
  MemberReader reader(json, "");
  Metrics metrics;
  describe_numbers(reader, metrics);
  return metrics;
}

}  // namespace graft
