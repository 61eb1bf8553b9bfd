// How far a run is: what stands beside the tensors in a checkpoint file (docs/checkpoints.md).
// Torch-free, thread-safe (no state). parse_* throws ProtocolError on malformed input.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/contract/order.h"
#include "trainer/contract/record.h"

namespace graft {

// Sums over training steps.
struct StepTotals {
  double loss = 0;                      // of the rows
  std::optional<std::int64_t> correct;  // rows; none where the kind of task knows no such thing
  std::int64_t rows = 0, tokens = 0, steps = 0;
  double seconds = 0;
};

// Of a lane that is neither finished nor failed. Its tensors lie beside this header in the file.
struct LanePosition {
  int lane = 0;
  std::string identity;  // hash of lane_identity(); empty: of a program before lanes had one
  std::int64_t step = 0, optimizer_steps = 0;
  // What the order makes of the data; must be the same when training goes on.
  std::int64_t total_steps = 0, training_rows = 0, validation_rows = 0, parameters = 0;
  std::vector<std::string> labels;
  StepTotals epoch_sums, sums;
  double evaluation_seconds = 0;
  // Of a regression: what its head's numbers are deviations of, and in what.
  std::optional<double> target_mean, target_deviation;
  std::optional<EpochEnded> best;
};

struct CheckpointHeader {
  std::string program_version;         // that wrote it
  std::string order_sha256;            // of what decides the result
  double time = 0;                     // unix seconds
  std::optional<Precision> precision;  // that was chosen; none: of the readable pass
  std::vector<LanePosition> lanes;
};

inline constexpr int checkpoint_format_version = 1;
std::string write_checkpoint_header(const CheckpointHeader& header);
CheckpointHeader parse_checkpoint_header(std::string_view text);

}  // namespace graft
