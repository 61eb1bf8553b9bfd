// Hyperparameters on the wire, by their table: reading of their members, wherever a body has them,
// and their values as a job shows them. Included by services/wire/jobs*.cpp only. No state: any
// thread.
#pragma once

#include <string>
#include <vector>

#include "services/wire/json.h"
#include "trainer/contract/specification.h"

namespace graft {

// Whether a member asks for the default by name.
bool is_auto(const Json* value);

// Paths of those at a place, for proposals to those who wrote them elsewhere.
std::vector<std::string> paths_at(Hyperparameter::Place place);

// Those at a place of the body that are plain values; lists of layers are read on their own.
// Absent, null and "auto" change nothing.
void read_hyperparameters_at(Hyperparameter::Place place, JsonFields& fields,
                             const BackboneSummary& backbone, Specification& specification);

// The members at a place, resolved; null where the method has none.
void write_hyperparameters_at(Hyperparameter::Place place, const Specification& specification,
                              Json& object);

}  // namespace graft
