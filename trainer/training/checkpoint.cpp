// Snapshots and their file.
#include "trainer/training/checkpoint.h"

#include <torch/torch.h>

#include <algorithm>

#include "trainer/contract/checkpoint_file.h"
#include "trainer/contract/version.h"
#include "trainer/durable/sha256.h"
#include "trainer/model/safetensors.h"
#include "trainer/text/mapped_file.h"
#include "trainer/training/clock.h"

namespace graft {
namespace {

// Names of a lane's tensors in the file.
struct TensorNames {
  explicit TensorNames(int lane) : prefix(checkpoint_tensor_prefix(lane)) {}
  std::string values() const { return prefix + "values"; }
  std::string first_moments() const { return prefix + "first_moments"; }
  std::string second_moments() const { return prefix + "second_moments"; }
  std::string best_epoch() const { return prefix + "best_epoch"; }
  std::string prefix;
};

std::string_view bytes_of(const at::Tensor& tensor) {
  return {static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()};
}

const std::string& metadata(const Safetensors& file, const char* key) {
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end()) throw CheckpointError("it is no checkpoint");
  return found->second;
}

at::Tensor take(const Safetensors& file, const std::string& name, std::int64_t parameters) {
  const auto found = file.tensors.find(name);
  if (found == file.tensors.end()) throw CheckpointError("it lacks the tensor " + name);
  if (found->second.shape != std::vector<std::int64_t>{parameters})
    throw CheckpointError("its tensor " + name + " has the wrong shape");
  return float_tensor(found->second).clone();
}

void add_lane(TrainingState& checkpoint, const Lane& lane) {
  LanePosition position;
  LaneTensors tensors;
  tensors.optimizer = lane.optimizer->state();
  position.lane = lane.index;
  position.identity = lane.identity;
  position.step = lane.step;
  position.optimizer_steps = tensors.optimizer.steps;
  position.total_steps = lane.total_steps;
  position.training_rows = static_cast<std::int64_t>(lane.training.rows.size());
  position.validation_rows = static_cast<std::int64_t>(lane.validation.rows.size());
  position.parameters = lane.optimizer->parameters();
  position.labels = lane.model.labels;
  position.epoch_sums = lane.epoch_sums;
  position.sums = lane.sums;
  position.evaluation_seconds = lane.evaluation_seconds;
  if (!lane.task.targets.numbers.empty()) {
    position.target_mean = lane.task.targets.mean;
    position.target_deviation = lane.task.targets.deviation;
  }
  if (lane.best) {
    position.best = lane.best->numbers;
    tensors.best_epoch = lane.best->tensors;  // nobody writes to it
  }
  checkpoint.header.lanes.push_back(std::move(position));
  checkpoint.tensors.push_back(std::move(tensors));
}

}  // namespace

TrainingState snapshot(std::span<const std::unique_ptr<Lane>> lanes,
                       const std::string& order_sha256, std::optional<Precision> precision) {
  TrainingState checkpoint;
  checkpoint.header.program_version = program_version;
  checkpoint.header.order_sha256 = order_sha256;
  checkpoint.header.time = unix_seconds();
  checkpoint.header.precision = precision;
  for (const auto& lane : lanes) add_lane(checkpoint, *lane);
  return checkpoint;
}

bool go_on(Lane& lane, const LanePosition& position, const LaneTensors& tensors) {
  if (position.total_steps != lane.total_steps || position.labels != lane.model.labels ||
      position.training_rows != static_cast<std::int64_t>(lane.training.rows.size()) ||
      position.validation_rows != static_cast<std::int64_t>(lane.validation.rows.size()) ||
      position.parameters != lane.optimizer->parameters() || position.step < 0 ||
      position.step >= lane.total_steps)
    return false;
  lane.optimizer->restore(tensors.optimizer);
  lane.step = position.step;
  lane.epochs_ended = static_cast<int>(lane.step / lane.steps_per_epoch);
  static_cast<StepTotals&>(lane.epoch_sums) = position.epoch_sums;
  static_cast<StepTotals&>(lane.sums) = position.sums;
  lane.evaluation_seconds = position.evaluation_seconds;
  if (position.best) lane.best = BestEpoch{*position.best, tensors.best_epoch};
  return true;
}

std::string write_checkpoint(const TrainingState& checkpoint) {
  NamedTensors tensors;
  for (std::size_t i = 0; i < checkpoint.tensors.size(); ++i) {
    const TensorNames names(checkpoint.header.lanes[i].lane);
    const LaneTensors& lane = checkpoint.tensors[i];
    tensors.emplace_back(names.values(), lane.optimizer.values);
    tensors.emplace_back(names.first_moments(), lane.optimizer.first_moments);
    tensors.emplace_back(names.second_moments(), lane.optimizer.second_moments);
    if (lane.best_epoch.defined()) tensors.emplace_back(names.best_epoch(), lane.best_epoch);
  }
  const std::string header = write_checkpoint_header(checkpoint.header);
  std::map<std::string, std::string_view> bytes;
  for (const auto& [name, tensor] : tensors) bytes.emplace(name, bytes_of(tensor));
  return write_safetensors(tensors,
                           {{checkpoint_header_key, header},
                            {checkpoint_checksum_key, checkpoint_checksum(header, bytes)}});
}

TrainingState read_checkpoint(std::string_view bytes) {
  try {
    const Safetensors file = read_safetensors(bytes);
    const std::string& header = metadata(file, checkpoint_header_key);
    std::map<std::string, std::string_view> contents;
    for (const auto& [name, tensor] : file.tensors) contents.emplace(name, tensor.bytes);
    if (checkpoint_checksum(header, contents) != metadata(file, checkpoint_checksum_key))
      throw CheckpointError("its checksum is wrong");
    TrainingState checkpoint;
    checkpoint.header = parse_checkpoint_header(header);
    for (const LanePosition& lane : checkpoint.header.lanes) {
      const TensorNames names(lane.lane);
      LaneTensors tensors;
      tensors.optimizer.values = take(file, names.values(), lane.parameters);
      tensors.optimizer.first_moments = take(file, names.first_moments(), lane.parameters);
      tensors.optimizer.second_moments = take(file, names.second_moments(), lane.parameters);
      tensors.optimizer.steps = lane.optimizer_steps;
      if (lane.best) tensors.best_epoch = take(file, names.best_epoch(), lane.parameters);
      checkpoint.tensors.push_back(std::move(tensors));
    }
    return checkpoint;
  } catch (const SafetensorsError& error) {
    throw CheckpointError(std::string("it is torn or damaged: ") + error.what());
  } catch (const ProtocolError& error) {
    throw CheckpointError(error.what());
  }
}

std::filesystem::path checkpoint_path(const std::filesystem::path& run_directory) {
  return run_directory / "checkpoint.safetensors";
}

namespace {

std::optional<TrainingState> read_if_there(const std::filesystem::path& path,
                                           std::string& problem) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  try {
    const MappedFile file(path);
    return read_checkpoint(file.text());
  } catch (const CheckpointError& error) {
    problem = error.what();
  } catch (const MappedFileError&) {
    problem = "it cannot be read";
  }
  return std::nullopt;
}

bool holds(const TrainingState& checkpoint, int lane) {
  return std::ranges::any_of(checkpoint.header.lanes,
                             [&](const LanePosition& position) { return position.lane == lane; });
}

}  // namespace

std::optional<TrainingState> load_checkpoint(const std::filesystem::path& run_directory,
                                             const Order& order, const std::string& backbone_sha256,
                                             std::string& problem) {
  problem.clear();
  std::optional<TrainingState> result;
  // Of `found` what belongs to lane k: by its identity, or by its place in the same order.
  const std::string order_sha256 = sha256_of_bytes(order_identity(order, backbone_sha256));
  const auto take_lane = [&](TrainingState& found, int k) {
    const std::string identity =
        sha256_of_bytes(lane_identity(order, static_cast<std::size_t>(k), backbone_sha256));
    for (std::size_t i = 0; i < found.header.lanes.size(); ++i) {
      const LanePosition& position = found.header.lanes[i];
      const bool same_place = position.identity.empty() && position.lane == k &&
                              found.header.order_sha256 == order_sha256;
      if (position.identity != identity && !same_place) continue;
      if (!result) {
        result.emplace();
        result->header = found.header;
        result->header.lanes.clear();
      }
      if (result->header.precision != found.header.precision) return false;
      result->header.lanes.push_back(position);
      result->header.lanes.back().lane = k;
      result->tensors.push_back(std::move(found.tensors[i]));
      return true;
    }
    return false;
  };
  if (auto own = read_if_there(checkpoint_path(run_directory), problem)) {
    bool any = own->header.lanes.empty();
    for (int k = 0; k < static_cast<int>(order.lanes.size()); ++k) any |= take_lane(*own, k);
    if (!any) problem = "it is of another order or another backbone";
  }
  for (int k = 0; k < static_cast<int>(order.lanes.size()); ++k) {
    if (result && holds(*result, k)) continue;
    const auto path = checkpoint_path(run_directory / ("lane-" + std::to_string(k)));
    auto earlier = read_if_there(path, problem);
    if (earlier && !take_lane(*earlier, k)) problem = "it is of another order or another backbone";
  }
  return result;
}

}  // namespace graft
