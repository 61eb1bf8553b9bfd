// Reading the JSON files of a backbone directory; for trainer/contract/backbone_*.cpp alone.
// Thread-safe: no state.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>

namespace graft {

// The object in the file. Throws BackboneError where there is none or it is over the limit.
nlohmann::json read_backbone_json(const std::filesystem::path& path, std::uintmax_t limit_mib = 16);

}  // namespace graft
