// What predictions are worth beside the truth, as scikit-learn and scipy define it. Spans of equal
// length. Undefined numbers are no numbers (NaN), unless said.
// Scores are finite. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace graft {

// ---- One class a row
// ------------------------------------------------------------------------------

// Share of equal ids; 0 for no rows.
double accuracy(std::span<const std::int32_t> predicted, std::span<const std::int32_t> truth);

// R_K of Gorodkin 2004, which for two classes is Matthews' correlation coefficient; scikit-learn's
// matthews_corrcoef. -1 to 1; 0 where it is undefined: all predicted or all true ids are the same,
// or there are no rows.
double matthews_correlation(std::span<const std::int32_t> predicted,
                            std::span<const std::int32_t> truth);

// ---- By label ---------------------------------------------------------------------------------

// Of a label: rows that have it, rows answered with it, rows of both.
struct LabelCounts {
  std::int64_t truly = 0, predicted = 0, hits = 0;

  // With zero_division=0.
  double precision() const;
  double recall() const;
  double f1() const;
};

std::vector<LabelCounts> count_labels(std::span<const std::int32_t> predicted,
                                      std::span<const std::int32_t> truth, std::size_t labels);

// f1_score(average="macro") as scikit-learn takes classes: over those that appear in either.
double macro_f1_of_present(std::span<const LabelCounts> labels);
// The same of indicator matrices: over all labels.
double macro_f1_of_all(std::span<const LabelCounts> labels);
double weighted_f1(std::span<const LabelCounts> labels);
double micro_f1(std::span<const LabelCounts> labels);

// ---- Scores against yes or no -------------------------------------------------------------------

// roc_auc_score: the chance that a positive row has the higher score, ties counting half. NaN where
// all rows are of one class.
double roc_auc(std::span<const float> scores, std::span<const std::uint8_t> positive);
// average_precision_score: sum of precision times the gain of recall, over falling scores. 0 where
// no row is positive.
double average_precision(std::span<const float> scores, std::span<const std::uint8_t> positive);

// ---- Numbers ----------------------------------------------------------------------------------

// scipy's pearsonr and spearmanr (equal values share their mean rank). NaN for fewer than two rows
// or where either side is constant.
double pearson(std::span<const double> predicted, std::span<const double> truth);
double spearman(std::span<const double> predicted, std::span<const double> truth);
// NaN for no rows.
double mean_squared_error(std::span<const double> predicted, std::span<const double> truth);
double mean_absolute_error(std::span<const double> predicted, std::span<const double> truth);

}  // namespace graft
