// Bundles: a task's model as one zip that AdapterHub's load_adapter() takes by directory or URL,
// and that the predictor reads back. Every file of it is described in docs/adapter_file.md.
//
// Thread-safe: no state.
#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>

#include "trainer/contract/provenance.h"
#include "trainer/model/safetensors.h"
#include "trainer/model/task_model.h"

namespace graft {

class BundleError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Writes the zip (temp, sync, rename); returns its sha256. Throws std::system_error.
std::string write_bundle(const std::filesystem::path& path, const TaskModel& model,
                         const BackboneConfig& config, const Provenance& provenance);

struct Bundle {
  Provenance provenance;
  TaskModel model;
};

// Reads a bundle of ours for its backbone. Throws BundleError with a reason.
Bundle read_bundle(std::string_view zip_bytes, const BackboneWeights& backbone);

// reduction_factor from which AdapterHub's int(hidden // factor) gives the size back for every
// size: the integer hidden/size where it divides, else hidden/(size + 0.5), as JSON.
std::string reduction_factor_json(std::int64_t hidden_size, std::int64_t size);

// What torch.load(weights_only=True) reads: a dict of float32 tensors by name.
std::string write_torch_file(const NamedTensors& tensors);

}  // namespace graft
