// How far a run is, in one file: docs/checkpoints.md. It holds every lane that is neither finished
// nor failed, all at the same moment between two steps; what is random in a lane is a function of
// its seed and step, so positions suffice for training to go on with the same bits.
//
// A snapshot is taken by the training thread; once taken it is immutable and may be written by
// another. Functions have no state.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/contract/checkpoint_header.h"
#include "trainer/contract/order.h"
#include "trainer/training/lane.h"

namespace graft {

// Bytes that are no checkpoint of this program, or damaged. what() is for people.
class CheckpointError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The tensors of a LanePosition.
struct LaneTensors {
  AdamW::State optimizer;  // (parameters) each
  at::Tensor best_epoch;   // (parameters); undefined: no epoch ended yet
};

struct TrainingState {
  CheckpointHeader header;
  std::vector<LaneTensors> tensors;  // one of header.lanes each
};

// Where the lanes stand: copies what the next step changes. To be called between steps.
TrainingState snapshot(std::span<const std::unique_ptr<Lane>> lanes,
                       const std::string& order_sha256, std::optional<Precision> precision);

// Puts a freshly built lane where the checkpoint was. False, and nothing changed: its data or shape
// are not the lane's.
bool go_on(Lane& lane, const LanePosition& position, const LaneTensors& tensors);

// A safetensors file: the header and a checksum lie in its metadata.
std::string write_checkpoint(const TrainingState& checkpoint);
TrainingState read_checkpoint(std::string_view bytes);  // throws CheckpointError

std::filesystem::path checkpoint_path(const std::filesystem::path& run_directory);

// What the lanes of an order go on from: of the directory's own checkpoint, and of lane-<k>/ what
// an earlier run of the lane's trial left. nullopt: nothing that can be used; `problem` says why
// where there is something that cannot.
std::optional<TrainingState> load_checkpoint(const std::filesystem::path& run_directory,
                                             const Order& order, const std::string& backbone_sha256,
                                             std::string& problem);

}  // namespace graft
