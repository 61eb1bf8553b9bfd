// Linear warm-up and linear decay to nearly zero, as AdapterHub's and Hugging Face's examples
// train; but the first step already has a rate above zero and the last one, too.
#pragma once

#include <cstdint>

namespace graft {

std::int64_t warmup_steps(std::int64_t total_steps, double warmup_ratio);

// step counts from 0 and is below total_steps.
double learning_rate_at(std::int64_t step, std::int64_t total_steps, std::int64_t warmup_steps,
                        double peak);

}  // namespace graft
