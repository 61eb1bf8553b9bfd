// The kernels for AVX-512 (F, BW, DQ, VL); flags are in trainer/CMakeLists.txt.
#define GRAFT_KERNEL_SPACE kernels_avx512
#define GRAFT_VECTOR_BYTES 64
#include "trainer/fast/kernels/vector_kernels_body.h"
