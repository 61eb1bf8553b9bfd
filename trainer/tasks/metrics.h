// Classification metrics from predicted and true class ids. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <span>

namespace graft {

// Share of equal ids; 0 for no rows. Spans of equal length.
double accuracy(std::span<const std::int64_t> predicted, std::span<const std::int64_t> truth);

// Mean over the classes that appear in either of F1 = 2*hits / (predicted + true); scikit-learn's
// f1_score(average="macro"). 0 for no rows.
double macro_f1(std::span<const std::int64_t> predicted, std::span<const std::int64_t> truth);

}  // namespace graft
