// The safetensors container: refused with a reason, or tensors that lie inside the bytes.
#include "trainer/model/safetensors.h"

#include "tests/fuzz/fuzz_target.h"

GRAFT_FUZZ_TARGET(safetensors) {
  using namespace graft;
  // As mapped files have it, so that views may be taken.
  const std::string bytes(input);
  try {
    const Safetensors file = read_safetensors(bytes);
    for (const auto& [name, tensor] : file.tensors) {
      fuzz::hold(tensor.bytes.data() >= bytes.data() &&
                     tensor.bytes.data() + tensor.bytes.size() <= bytes.data() + bytes.size(),
                 "a tensor lies inside the file");
      std::uint64_t elements = 1;
      for (const std::int64_t extent : tensor.shape) elements *= static_cast<std::uint64_t>(extent);
      fuzz::hold(elements * at::elementSize(tensor.type) == tensor.bytes.size(),
                 "a shape says as many bytes");
    }
  } catch (const SafetensorsError&) {
  }
}
