// What was measured of a version, as its stored text says. Included by services/wire/*.cpp only.
// No state: any thread.
#pragma once

#include <string_view>

#include "services/wire/json.h"

namespace graft {

// The stored object. Written by us; an unreadable text is an empty object rather than a failed
// answer.
Json measured_numbers(std::string_view metrics);

// {"name", "value"} of the number that the best epoch was chosen by; without validation rows the
// value is null. Of versions before there was a choice it is the accuracy.
Json primary_metric_of(const Json& numbers);

}  // namespace graft
