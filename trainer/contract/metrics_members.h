// The numbers of a set of metrics, from their table, for members_json.h.
#pragma once

#include <limits>
#include <optional>

#include "trainer/contract/members_json.h"
#include "trainer/contract/metrics.h"

namespace graft {

// Each a member of the object around them, under its name; absent ones are not written. Programs
// before wrote them as null.
void describe_numbers(auto& member, Of<Metrics> auto& metrics) {
  for (const Metric& row : metric_table()) {
    const char* const name = row.name.data();  // of a literal: ends in a zero
    if constexpr (std::is_const_v<std::remove_reference_t<decltype(metrics)>>) {
      if (const std::optional<double> number = metrics.get(row.name)) member(name, *number);
    } else {
      double number = std::numeric_limits<double>::quiet_NaN();
      member.optional(name, number);
      metrics.set(row.name, number);
    }
  }
}

}  // namespace graft
