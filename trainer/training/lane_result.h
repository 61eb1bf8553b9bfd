// What a lane leaves: its bundle in the run directory. For the training thread.
#pragma once

#include <filesystem>

#include "trainer/training/lane.h"

namespace graft {

// Writes lane-<k>/result.zip from the tensors that the lane's model has now and the numbers of its
// best epoch. Throws std::system_error, e.g. on a full disk.
LaneFinished write_result(const Order& order, const BackboneWeights& backbone, const Lane& lane,
                          const std::filesystem::path& run_directory);

}  // namespace graft
