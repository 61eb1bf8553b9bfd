// The option --backbone NAME=DIR: what it says, and that it can be used. For config.cpp; no state.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "services/config.h"

namespace graft {

// Something that graftd was told cannot be; what() names where it came from.
class ConfigError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// At least one, of different names, each a directory that is there.
std::vector<BackboneOption> parse_backbones(const std::vector<std::string>& texts);

}  // namespace graft
