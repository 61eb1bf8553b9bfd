// Metrics.
#include "trainer/tasks/metrics.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <numeric>

namespace graft {
namespace {

constexpr double undefined = std::numeric_limits<double>::quiet_NaN();

double quotient(std::int64_t part, std::int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0.0;
}

// Places of the values, by falling score.
std::vector<std::size_t> by_falling(std::span<const float> scores) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  return order;
}

// Mean ranks from 1 on.
std::vector<double> ranks(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    end = begin + 1;  // also behind what is equal to nothing
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double mean = (static_cast<double>(begin + 1) + static_cast<double>(end)) / 2;
    for (std::size_t i = begin; i < end; ++i) ranks[order[i]] = mean;
  }
  return ranks;
}

double mean_of(std::size_t rows, auto&& value) {
  if (rows == 0) return undefined;
  double sum = 0;
  for (std::size_t i = 0; i < rows; ++i) sum += value(i);
  return sum / static_cast<double>(rows);
}

}  // namespace

double accuracy(std::span<const std::int32_t> predicted, std::span<const std::int32_t> truth) {
  assert(predicted.size() == truth.size());
  if (truth.empty()) return 0.0;
  std::size_t hits = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) hits += predicted[i] == truth[i];
  return static_cast<double>(hits) / static_cast<double>(truth.size());
}

double matthews_correlation(std::span<const std::int32_t> predicted,
                            std::span<const std::int32_t> truth) {
  assert(predicted.size() == truth.size());
  struct Counts {
    double predicted = 0, truly = 0;
  };
  std::map<std::int32_t, Counts> classes;
  double hits = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    ++classes[predicted[i]].predicted;
    ++classes[truth[i]].truly;
    hits += predicted[i] == truth[i] ? 1 : 0;
  }
  // Covariances, each times the square of the number of rows.
  const auto rows = static_cast<double>(truth.size());
  double both = hits * rows, of_predicted = rows * rows, of_truth = rows * rows;
  for (const auto& [id, counts] : classes) {
    both -= counts.predicted * counts.truly;
    of_predicted -= counts.predicted * counts.predicted;
    of_truth -= counts.truly * counts.truly;
  }
  const double variances = of_predicted * of_truth;
  return variances > 0 ? both / std::sqrt(variances) : 0.0;
}

double LabelCounts::precision() const {
  return quotient(hits, predicted);
}

double LabelCounts::recall() const {
  return quotient(hits, truly);
}

double LabelCounts::f1() const {
  return quotient(2 * hits, predicted + truly);
}

std::vector<LabelCounts> count_labels(std::span<const std::int32_t> predicted,
                                      std::span<const std::int32_t> truth, std::size_t labels) {
  assert(predicted.size() == truth.size());
  std::vector<LabelCounts> counts(labels);
  for (std::size_t i = 0; i < truth.size(); ++i) {
    ++counts[static_cast<std::size_t>(predicted[i])].predicted;
    ++counts[static_cast<std::size_t>(truth[i])].truly;
    if (predicted[i] == truth[i]) ++counts[static_cast<std::size_t>(truth[i])].hits;
  }
  return counts;
}

double macro_f1_of_present(std::span<const LabelCounts> labels) {
  double sum = 0, present = 0;
  for (const LabelCounts& label : labels) {
    if (label.truly + label.predicted == 0) continue;
    sum += label.f1();
    present += 1;
  }
  return present > 0 ? sum / present : 0.0;
}

double macro_f1_of_all(std::span<const LabelCounts> labels) {
  double sum = 0;
  for (const LabelCounts& label : labels) sum += label.f1();
  return labels.empty() ? 0.0 : sum / static_cast<double>(labels.size());
}

double weighted_f1(std::span<const LabelCounts> labels) {
  double sum = 0, rows = 0;
  for (const LabelCounts& label : labels) {
    sum += label.f1() * static_cast<double>(label.truly);
    rows += static_cast<double>(label.truly);
  }
  return rows > 0 ? sum / rows : 0.0;
}

double micro_f1(std::span<const LabelCounts> labels) {
  LabelCounts all;
  for (const LabelCounts& label : labels) {
    all.truly += label.truly;
    all.predicted += label.predicted;
    all.hits += label.hits;
  }
  return all.f1();
}

double roc_auc(std::span<const float> scores, std::span<const std::uint8_t> positive) {
  assert(scores.size() == positive.size());
  const std::vector<double> rank = ranks(std::vector<double>(scores.begin(), scores.end()));
  double sum = 0, positives = 0;
  for (std::size_t i = 0; i < rank.size(); ++i) {
    if (positive[i] == 0) continue;
    sum += rank[i];
    positives += 1;
  }
  const double negatives = static_cast<double>(rank.size()) - positives;
  if (positives == 0 || negatives == 0) return undefined;
  return (sum - positives * (positives + 1) / 2) / (positives * negatives);
}

double average_precision(std::span<const float> scores, std::span<const std::uint8_t> positive) {
  assert(scores.size() == positive.size());
  const std::vector<std::size_t> order = by_falling(scores);
  const auto positives = std::count(positive.begin(), positive.end(), std::uint8_t{1});
  if (positives == 0) return 0.0;
  double sum = 0;
  std::int64_t hits = 0, hits_before = 0;
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    end = begin + 1;
    while (end < order.size() && scores[order[end]] == scores[order[begin]]) ++end;
    for (std::size_t i = begin; i < end; ++i) hits += positive[order[i]];
    sum += static_cast<double>(hits - hits_before) * static_cast<double>(hits) /
           static_cast<double>(end);
    hits_before = hits;
  }
  return sum / static_cast<double>(positives);
}

double pearson(std::span<const double> predicted, std::span<const double> truth) {
  assert(predicted.size() == truth.size());
  const std::size_t rows = truth.size();
  if (rows < 2) return undefined;
  const double mean_predicted = mean_of(rows, [&](std::size_t i) { return predicted[i]; });
  const double mean_truth = mean_of(rows, [&](std::size_t i) { return truth[i]; });
  double both = 0, of_predicted = 0, of_truth = 0;
  for (std::size_t i = 0; i < rows; ++i) {
    const double x = predicted[i] - mean_predicted, y = truth[i] - mean_truth;
    both += x * y;
    of_predicted += x * x;
    of_truth += y * y;
  }
  // Constant, or so but for the rounding of the mean.
  const auto constant = [rows](double squares, double mean) {
    const double rounding = 1e-13 * std::abs(mean);
    return squares <= static_cast<double>(rows) * rounding * rounding;
  };
  if (constant(of_predicted, mean_predicted) || constant(of_truth, mean_truth)) return undefined;
  return std::clamp(both / std::sqrt(of_predicted) / std::sqrt(of_truth), -1.0, 1.0);
}

double spearman(std::span<const double> predicted, std::span<const double> truth) {
  return pearson(ranks(predicted), ranks(truth));
}

double mean_squared_error(std::span<const double> predicted, std::span<const double> truth) {
  assert(predicted.size() == truth.size());
  return mean_of(truth.size(), [&](std::size_t i) {
    return (predicted[i] - truth[i]) * (predicted[i] - truth[i]);
  });
}

double mean_absolute_error(std::span<const double> predicted, std::span<const double> truth) {
  assert(predicted.size() == truth.size());
  return mean_of(truth.size(), [&](std::size_t i) { return std::abs(predicted[i] - truth[i]); });
}

}  // namespace graft
