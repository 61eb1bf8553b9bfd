// The kernels for AVX2 with FMA; flags are in trainer/CMakeLists.txt.
#define GRAFT_KERNEL_SPACE kernels_avx2
#define GRAFT_VECTOR_BYTES 32
#include "trainer/fast/kernels/vector_kernels_body.h"
