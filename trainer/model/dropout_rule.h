// How a site of the model drops out; dropout.h has the numbers behind it. Without LibTorch, because
// the kernels see it.
#pragma once

#include <cstdint>

namespace graft {

struct DropoutRule {
  std::uint32_t threshold = 0;  // of 65536; 0: nothing is dropped
  float kept = 1.0f;            // factor of what stays
};

}  // namespace graft
