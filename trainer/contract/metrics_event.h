// The `data` member of events of type `metrics`: what clients that follow a job draw their curves
// from. Torch-free, thread-safe (no state).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "trainer/contract/metrics.h"

namespace graft {

// Absent members are left out; a number that is not finite is written as null.
struct MetricsEventData {
  std::int64_t step = 0;
  std::optional<std::int64_t> total_steps;
  int epoch = 0;  // 1-based
  std::optional<double> learning_rate;
  std::optional<double> tokens_per_second;
  std::optional<double> eta_seconds;
  std::optional<double> utilization;  // 0 to 1
  Metrics metrics;                    // those of validation where an epoch ended
};

// A JSON object as text.
std::string write_metrics_event_data(const MetricsEventData& data);

}  // namespace graft
