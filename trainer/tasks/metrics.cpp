// Metrics.
#include "trainer/tasks/metrics.h"

#include <cassert>
#include <cmath>
#include <cstddef>
#include <map>

namespace graft {

double accuracy(std::span<const std::int64_t> predicted, std::span<const std::int64_t> truth) {
  assert(predicted.size() == truth.size());
  if (truth.empty()) return 0.0;
  std::size_t hits = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) hits += predicted[i] == truth[i];
  return static_cast<double>(hits) / static_cast<double>(truth.size());
}

double macro_f1(std::span<const std::int64_t> predicted, std::span<const std::int64_t> truth) {
  assert(predicted.size() == truth.size());
  struct Counts {
    std::size_t hits = 0, named = 0;  // named: predicted plus true
  };
  std::map<std::int64_t, Counts> classes;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    ++classes[predicted[i]].named;
    ++classes[truth[i]].named;
    if (predicted[i] == truth[i]) ++classes[truth[i]].hits;
  }
  if (classes.empty()) return 0.0;
  double sum = 0.0;
  for (const auto& [id, counts] : classes)
    sum += 2.0 * static_cast<double>(counts.hits) / static_cast<double>(counts.named);
  return sum / static_cast<double>(classes.size());
}

double matthews_correlation(std::span<const std::int64_t> predicted,
                            std::span<const std::int64_t> truth) {
  assert(predicted.size() == truth.size());
  struct Counts {
    double predicted = 0, truly = 0;
  };
  std::map<std::int64_t, Counts> classes;
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

Metrics classification_metrics(std::span<const std::int64_t> predicted,
                               std::span<const std::int64_t> truth) {
  return {{"valid_accuracy", accuracy(predicted, truth)},
          {"valid_macro_f1", macro_f1(predicted, truth)},
          {"valid_matthews", matthews_correlation(predicted, truth)}};
}

}  // namespace graft
