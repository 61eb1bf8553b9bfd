// A backbone as customers know it: its name on the wire and what stands behind it.
#pragma once

#include <filesystem>
#include <string>

#include "storage/records.h"
#include "trainer/contract/backbone_identity.h"

namespace graft {

// A backbone this daemon was started with; its identity was computed at start.
struct BackboneInfo {
  std::string name;                 // what jobs name as `model`
  std::filesystem::path directory;  // absolute
  BackboneSummary summary;          // sha256 is its identity
  UnixTime created_at = 0;          // modification time of its weights
};

}  // namespace graft
