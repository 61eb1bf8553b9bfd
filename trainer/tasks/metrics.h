// Classification metrics from predicted and true class ids. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <span>

#include "trainer/contract/metrics.h"

namespace graft {

// Share of equal ids; 0 for no rows. Spans of equal length.
double accuracy(std::span<const std::int64_t> predicted, std::span<const std::int64_t> truth);

// Mean over the classes that appear in either of F1 = 2*hits / (predicted + true); scikit-learn's
// f1_score(average="macro"). 0 for no rows.
double macro_f1(std::span<const std::int64_t> predicted, std::span<const std::int64_t> truth);

// R_K of Gorodkin 2004, which for two classes is Matthews' correlation coefficient; scikit-learn's
// matthews_corrcoef. -1 to 1; 0 where it is undefined: all predicted or all true ids are the same,
// or there are no rows.
double matthews_correlation(std::span<const std::int64_t> predicted,
                            std::span<const std::int64_t> truth);

// All that is measured of a classification of validation rows but its loss, under the names of
// trainer/contract/metrics.h.
Metrics classification_metrics(std::span<const std::int64_t> predicted,
                               std::span<const std::int64_t> truth);

}  // namespace graft
