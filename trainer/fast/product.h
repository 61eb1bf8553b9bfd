// Matrix products of a few rows with an operand packed once, on the calling thread alone, by
// oneDNN's smallest piece (batch-reduce GEMM) through LibTorch.
//
// A row of the result depends on its row of the left operand alone: not on the other rows, nor on
// how many there are. That is what makes a lane's bits independent of its company.
#pragma once

#include <cstdint>

#include "trainer/fast/kernels/vector_kernels.h"

namespace graft {

// A (k, n) matrix as panels of panel_width<T> columns, the last one narrower; a panel holds its k
// rows one after the other, for bfloat16 two rows interleaved. A view: somebody else owns the
// memory.
template <class T>
struct PackedOperand {
  const T* data = nullptr;
  std::int64_t k = 0;  // even for bfloat16
  std::int64_t n = 0;

  std::int64_t panels() const { return (n + panel_width<T> - 1) / panel_width<T>; }
  std::int64_t panel_columns(std::int64_t panel) const {
    const std::int64_t left = n - panel * panel_width<T>;
    return left < panel_width<T> ? left : panel_width<T>;
  }
  // Where row k_begin of a panel starts.
  const T* panel(std::int64_t index, std::int64_t k_begin = 0) const {
    return data + index * panel_width<T> * k + k_begin * panel_columns(index);
  }
};

// c (rows, columns) = a (rows, k) times one panel, or added to c. k must be even for bfloat16;
// columns at most panel_columns.
void multiply_panel(const float* a, std::int64_t a_stride, std::int64_t rows, std::int64_t k,
                    const float* panel, std::int64_t panel_columns, std::int64_t columns, float* c,
                    std::int64_t c_stride, bool add);
void multiply_panel(const BFloat16Bits* a, std::int64_t a_stride, std::int64_t rows, std::int64_t k,
                    const BFloat16Bits* panel, std::int64_t panel_columns, std::int64_t columns,
                    float* c, std::int64_t c_stride, bool add);

// To be called by a thread that has multiplied bfloat16 before it does other work.
void release_matrix_unit();

// Calls use(first column, columns, product) panel by panel; product (rows, columns) lies in
// scratch, which has room for rows * panel_width<T>.
template <class T, class Use>
void multiply(const T* a, std::int64_t a_stride, std::int64_t rows, const PackedOperand<T>& b,
              float* scratch, Use use) {
  for (std::int64_t p = 0; p < b.panels(); ++p) {
    const std::int64_t columns = b.panel_columns(p);
    multiply_panel(a, a_stride, rows, b.k, b.panel(p), columns, columns, scratch, columns, false);
    use(p * panel_width<T>, columns, static_cast<const float*>(scratch));
  }
}

// c (rows, n) = a b[k_begin : k_begin + k_count], or added to c.
template <class T>
void multiply_into(const T* a, std::int64_t a_stride, std::int64_t rows, const PackedOperand<T>& b,
                   std::int64_t k_begin, std::int64_t k_count, float* c, std::int64_t c_stride,
                   bool add) {
  for (std::int64_t p = 0; p < b.panels(); ++p) {
    const std::int64_t columns = b.panel_columns(p);
    multiply_panel(a, a_stride, rows, k_count, b.panel(p, k_begin), columns, columns,
                   c + p * panel_width<T>, c_stride, add);
  }
}

}  // namespace graft
