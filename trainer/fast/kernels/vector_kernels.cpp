// Chooses the kernels of this machine.
#include "trainer/fast/kernels/vector_kernels.h"

#include <ATen/Version.h>

namespace graft {

// One namespace for each way the kernels are compiled.
#define GRAFT_DECLARE_KERNELS(space)                     \
  namespace space {                                      \
  const VectorKernels<float>& float_kernels();           \
  const VectorKernels<BFloat16Bits>& bfloat16_kernels(); \
  const OptimizerKernels& optimizer_kernels();           \
  }
GRAFT_DECLARE_KERNELS(kernels_baseline)
#ifdef GRAFT_X86_KERNELS
GRAFT_DECLARE_KERNELS(kernels_avx2)
GRAFT_DECLARE_KERNELS(kernels_avx512)
#endif
#undef GRAFT_DECLARE_KERNELS

namespace {

enum class InstructionSet { baseline, avx2, avx512 };

InstructionSet best_instruction_set() {
#ifdef GRAFT_X86_KERNELS
  // LibTorch's own answer, because people hold it to less than the CPU could do.
  const std::string capability = at::get_cpu_capability();
  if (capability.starts_with("AVX512")) return InstructionSet::avx512;
  if (capability.starts_with("AVX2")) return InstructionSet::avx2;
#endif
  return InstructionSet::baseline;
}

}  // namespace

template <>
const VectorKernels<float>& vector_kernels<float>() {
#ifdef GRAFT_X86_KERNELS
  static const InstructionSet best = best_instruction_set();
  if (best == InstructionSet::avx512) return kernels_avx512::float_kernels();
  if (best == InstructionSet::avx2) return kernels_avx2::float_kernels();
#endif
  return kernels_baseline::float_kernels();
}

template <>
const VectorKernels<BFloat16Bits>& vector_kernels<BFloat16Bits>() {
#ifdef GRAFT_X86_KERNELS
  static const InstructionSet best = best_instruction_set();
  if (best == InstructionSet::avx512) return kernels_avx512::bfloat16_kernels();
  if (best == InstructionSet::avx2) return kernels_avx2::bfloat16_kernels();
#endif
  return kernels_baseline::bfloat16_kernels();
}

const OptimizerKernels& optimizer_kernels() {
#ifdef GRAFT_X86_KERNELS
  static const InstructionSet best = best_instruction_set();
  if (best == InstructionSet::avx512) return kernels_avx512::optimizer_kernels();
  if (best == InstructionSet::avx2) return kernels_avx2::optimizer_kernels();
#endif
  return kernels_baseline::optimizer_kernels();
}

std::int64_t attention_scratch(const AttentionShape& shape) {
  constexpr std::int64_t widest_vector = 16;
  const auto rounded = [](std::int64_t count) {
    return (count + widest_vector - 1) / widest_vector * widest_vector;
  };
  const std::int64_t length = rounded(shape.length), width = rounded(shape.width);
  return 6 * length * width + 2 * length * length + length + 4;
}

}  // namespace graft
