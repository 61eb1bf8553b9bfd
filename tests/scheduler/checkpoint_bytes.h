// Checkpoints as a worker leaves them in its run directory, with a few bytes for tensors.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "trainer/contract/checkpoint_file.h"

namespace graft {

inline std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void leave_checkpoint(const std::filesystem::path& run_directory,
                             std::vector<LanePosition> lanes) {
  std::map<std::string, std::string> tensors;
  for (LanePosition& lane : lanes) {
    tensors[checkpoint_tensor_prefix(lane.lane) + "values"] =
        "tensor of lane " + std::to_string(lane.lane) + ", " + std::to_string(lane.step % 10) +
        ".....";  // whole floats
    lane.epoch_sums.rows = 4;
    lane.epoch_sums.loss = 2;
  }
  const std::string header = write_checkpoint_header(
      {.program_version = "test", .order_sha256 = "order", .time = 1, .lanes = lanes});
  std::map<std::string, std::string_view> views(tensors.begin(), tensors.end());
  nlohmann::json json = {{"__metadata__",
                          {{"format", "pt"},
                           {checkpoint_header_key, header},
                           {checkpoint_checksum_key, checkpoint_checksum(header, views)}}}};
  std::string bytes;
  for (const auto& [name, tensor] : tensors) {
    json[name] = {{"dtype", "F32"},
                  {"shape", {tensor.size() / 4}},
                  {"data_offsets", {bytes.size(), bytes.size() + tensor.size()}}};
    bytes += tensor;
  }
  std::string text = json.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string length(8, '\0');
  for (int i = 0; i < 8; ++i) length[i] = static_cast<char>(text.size() >> (8 * i) & 0xff);
  std::ofstream(run_directory / "checkpoint.safetensors", std::ios::binary)
      << length << text << bytes;
}

}  // namespace graft
