// The member `adapter` of a job's creation. Included by jobs*.cpp only. No state: any
// thread.
#pragma once

#include <vector>

#include "services/wire/json.h"
#include "trainer/contract/specification.h"

namespace graft {

// Fills what the customer chose, and the default learning rate of the method. A backbone of 0
// layers: it is not known.
void read_adapter(const Json& object, const BackboneSummary& backbone, Specification& config,
                  std::vector<FieldError>& errors);

// The same member as a job shows it: resolved, and fit to be sent again.
Json write_adapter(const Specification& config);

}  // namespace graft
