// The machine's processor, for people.
#pragma once

#include <string>

namespace graft {

// Its model's name; "unknown" where the system does not say.
std::string processor_name();

}  // namespace graft
