// The header of a checkpoint file (docs/checkpoints.md), for those who need not its tensors: which
// lanes it holds and how far they are. Torch-free, no state: any thread.
#pragma once

#include <filesystem>
#include <optional>

#include "trainer/contract/checkpoint_header.h"

namespace graft {

// nullopt: there is no file, or it is none that can be read. Its checksum is not looked at.
std::optional<CheckpointHeader> read_checkpoint_header(const std::filesystem::path& file);

}  // namespace graft
