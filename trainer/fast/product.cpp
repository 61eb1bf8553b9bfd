// Products by LibTorch's brgemm.
#include "trainer/fast/product.h"

#include <ATen/native/CPUBlas.h>

namespace graft {
namespace {

// A kernel is built for every number of rows that is asked for, so few are asked for: blocks of
// 128, then a multiple of 16, then the rest.
template <class Multiply>
void in_row_blocks(std::int64_t rows, Multiply multiply) {
  std::int64_t row = 0;
  while (row < rows) {
    const std::int64_t left = rows - row;
    const std::int64_t count = left >= 128 ? 128 : left >= 16 ? left / 16 * 16 : left;
    multiply(row, count);
    row += count;
  }
}

}  // namespace

void multiply_panel(const float* a, std::int64_t a_stride, std::int64_t rows, std::int64_t k,
                    const float* panel, std::int64_t panel_columns, std::int64_t columns, float* c,
                    std::int64_t c_stride, bool add) {
  in_row_blocks(rows, [&](std::int64_t row, std::int64_t count) {
    at::native::cpublas::brgemm(count, columns, k, a_stride, panel_columns, c_stride, add,
                                a + row * a_stride, panel, c + row * c_stride);
  });
}

void multiply_panel(const BFloat16Bits* a, std::int64_t a_stride, std::int64_t rows, std::int64_t k,
                    const BFloat16Bits* panel, std::int64_t panel_columns, std::int64_t columns,
                    float* c, std::int64_t c_stride, bool add) {
  const auto* const left = reinterpret_cast<const at::BFloat16*>(a);
  const auto* const right = reinterpret_cast<const at::BFloat16*>(panel);
  in_row_blocks(rows, [&](std::int64_t row, std::int64_t count) {
    at::native::cpublas::brgemm(count, columns, k, a_stride, panel_columns, c_stride, add,
                                left + row * a_stride, right, c + row * c_stride);
  });
}

void release_matrix_unit() {
  at::native::cpublas::brgemm_release();
}

}  // namespace graft
