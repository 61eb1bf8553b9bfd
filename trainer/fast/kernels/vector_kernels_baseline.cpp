// The kernels for any x86-64 and other processors; flags are in trainer/CMakeLists.txt.
#define GRAFT_KERNEL_SPACE kernels_baseline
#define GRAFT_VECTOR_BYTES 16
#include "trainer/fast/kernels/vector_kernels_body.h"
