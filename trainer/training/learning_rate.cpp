// The schedule.
#include "trainer/training/learning_rate.h"

#include <algorithm>
#include <cmath>

namespace graft {

std::int64_t warmup_steps(std::int64_t total_steps, double warmup_ratio) {
  const double steps = std::round(static_cast<double>(total_steps) * warmup_ratio);
  return std::clamp<std::int64_t>(static_cast<std::int64_t>(steps), 0, total_steps - 1);
}

double learning_rate_at(std::int64_t step, std::int64_t total_steps, std::int64_t warmup_steps,
                        double peak) {
  if (step < warmup_steps)
    return peak * static_cast<double>(step + 1) / static_cast<double>(warmup_steps + 1);
  return peak * static_cast<double>(total_steps - step) /
         static_cast<double>(total_steps - warmup_steps);
}

}  // namespace graft
