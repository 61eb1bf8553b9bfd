// The member `adapter` of a job's creation. Included by services/wire_jobs*.cpp only. No state: any
// thread.
#pragma once

#include <vector>

#include "services/wire/json.h"
#include "storage/records.h"
#include "trainer/contract/backbone_identity.h"

namespace graft {

// The paths of its members, for proposals to those who wrote them at the wrong place.
const std::vector<std::string>& adapter_members();

// Whether a member asks for the default by name.
bool is_auto(const Json* value);

// Fills what the customer chose, and the default learning rate of the method. A backbone of 0
// layers: it is not known.
void read_adapter(const Json& object, const BackboneSummary& backbone, TrialConfig& config,
                  std::vector<FieldError>& errors);

// The same member as a job shows it: resolved, and fit to be sent again.
Json write_adapter(const TrialConfig& config);

}  // namespace graft
