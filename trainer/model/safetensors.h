// The safetensors container: a length, a JSON header, raw row-major tensors.
// https://huggingface.co/docs/safetensors; the rules checked here are in docs/adapter_file.md.
//
// Reading trusts nothing: a header that lies about sizes, holes, overlaps, trailing bytes or
// duplicate names is refused with a reason before anything of its size is allocated. Views are
// zero-copy: they stay valid as long as the bytes they were read from. Thread-safe: no state.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace graft {

class SafetensorsError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct StoredTensor {
  at::ScalarType type = at::kFloat;
  std::vector<std::int64_t> shape;
  std::string_view bytes;  // little-endian, row-major
};

struct Safetensors {
  std::map<std::string, StoredTensor> tensors;
  std::map<std::string, std::string> metadata;
};

// Throws SafetensorsError.
Safetensors read_safetensors(std::string_view bytes);

// float32 tensor without gradient: a view over the bytes where they are aligned F32, else a
// converted copy. Throws SafetensorsError for integer types. The view must not be written to.
at::Tensor float_tensor(const StoredTensor& stored);

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

// The same tensors give the same bytes: tensors lie in name order, float32. The metadata also has
// {"format": "pt"}.
std::string write_safetensors(const NamedTensors& tensors,
                              const std::map<std::string, std::string>& metadata = {});

}  // namespace graft
