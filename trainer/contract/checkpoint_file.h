// The checkpoint file (docs/checkpoints.md) for those who need not its tensors: which lanes it
// holds and how far they are, and the part of it that is one lane's. Torch-free, no state: any
// thread.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "trainer/contract/checkpoint_header.h"

namespace graft {

// nullopt: there is no file, or it is none that can be read. Its checksum is not looked at.
std::optional<CheckpointHeader> read_checkpoint_header(const std::filesystem::path& file);

// The bytes of a file that holds this lane alone, as the file has it. nullopt: it does not hold the
// lane, or its bytes are not those that were written.
std::optional<std::string> checkpoint_of_lane(const std::filesystem::path& file, int lane);

// Where the header and the checksum stand in the file's metadata.
inline constexpr char checkpoint_header_key[] = "graft_checkpoint";
inline constexpr char checkpoint_checksum_key[] = "sha256";
// How the names of a lane's tensors begin.
std::string checkpoint_tensor_prefix(int lane);
// Over all that the file says, independent of how its container lays it out.
std::string checkpoint_checksum(std::string_view header,
                                const std::map<std::string, std::string_view>& tensors);

}  // namespace graft
