// The elementwise work of a training step, fused and vectorized: everything between two products.
//
// Compiled once for each instruction set and chosen at start, so these files know nothing but plain
// arrays. All arrays are row-major and contiguous unless a stride is given; strides count elements.
// T is how activations are kept: float, or BFloat16Bits with all arithmetic in float. Each row's
// bits depend on that row alone. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <string>

#include "trainer/contract/specification.h"
#include "trainer/model/dropout_rule.h"

namespace graft {

// Memory layout of c10::BFloat16.
struct BFloat16Bits {
  std::uint16_t bits;
};

// Columns that the right operand of a product holds side by side: what oneDNN's kernels keep in
// registers (float) or a few times that (bfloat16), found by measuring.
template <class T>
inline constexpr std::int64_t panel_width = 16;
template <>
inline constexpr std::int64_t panel_width<BFloat16Bits> = 64;

// Width of the widest rows that close_sub_block() takes: it keeps one on the stack. Everything else
// takes any width.
inline constexpr std::int64_t widest_hidden_state = 4096;

// One row of text within a chunk, for attention.
struct AttentionShape {
  std::int64_t length = 0;   // tokens
  std::int64_t queries = 0;  // the first ones that are asked; all or one
  std::int64_t heads = 0;
  std::int64_t width = 0;  // of a head
};

template <class T>
struct VectorKernels {
  // sum (rows, width) -> y = LN(sum)*weight + bias as float and as T (either may be null or y may
  // be sum), and for the way back the normalized values and 1/deviation (both may be null).
  void (*normalize)(const float* sum, std::int64_t rows, std::int64_t width, const float* weight,
                    const float* bias, float epsilon, float* y, T* y_short, T* normed,
                    float* inverse_deviation);

  // Ends a sub-block: LN(product + bias + z + x); product and bias null: LN(z + x).
  void (*close_sub_block)(const float* product, const float* product_bias, const T* z,
                          const float* x, std::int64_t rows, std::int64_t width,
                          const float* weight, const float* bias, float epsilon, float* y,
                          T* y_short, T* normed, float* inverse_deviation);

  // Gradient of LN's input from dy; normed may be the memory of d_sum_short. weight_gradient and
  // bias_gradient (width) are added to unless null. add: also + d_sum's old content.
  void (*normalize_backward)(const float* dy, const T* normed, const float* inverse_deviation,
                             std::int64_t rows, std::int64_t width, const float* weight,
                             float* d_sum, T* d_sum_short, float* weight_gradient,
                             float* bias_gradient, bool add);

  // out = product + bias; product (rows, width), out with out_stride.
  void (*add_bias)(const float* product, const float* bias, std::int64_t rows, std::int64_t width,
                   T* out, std::int64_t out_stride);

  // out = dropout(product + bias); keys and elements say where each token's random numbers begin.
  void (*add_bias_dropout)(const float* product, const float* bias, std::int64_t rows,
                           std::int64_t width, const std::uint64_t* keys,
                           const std::int64_t* elements, DropoutRule rule, T* out);

  void (*narrow)(const float* values, std::int64_t count, T* out);
  void (*widen)(const T* values, std::int64_t count, float* out);

  // values *= mask.
  void (*dropout)(float* values, std::int64_t rows, std::int64_t width, const std::uint64_t* keys,
                  const std::int64_t* elements, DropoutRule rule);

  // out = (gradient + product) * mask; product may be null.
  void (*dropout_backward)(const float* gradient, const float* product, std::int64_t rows,
                           std::int64_t width, const std::uint64_t* keys,
                           const std::int64_t* elements, DropoutRule rule, T* out);

  // after = act(product + bias) and, for the way back, slope = act'(product + bias), both with the
  // same stride; slope may be null.
  void (*activate)(Activation activation, const float* product, const float* bias,
                   std::int64_t rows, std::int64_t width, T* after, T* slope, std::int64_t stride);

  // out = product * slope; out may be slope.
  void (*activate_backward)(const float* product, const T* slope, std::int64_t rows,
                            std::int64_t width, std::int64_t stride, T* out);

  // One row of text: softmax(QK'/sqrt(width))V with dropout on the weights. qkv: (length, stride),
  // queries at column 0, keys at `keys`, values at `values`; head h at columns h*width. context:
  // (queries, context_stride). scratch: attention_scratch() floats.
  void (*attention)(const AttentionShape& shape, const T* qkv, std::int64_t stride,
                    std::int64_t keys, std::int64_t values, std::uint64_t key, DropoutRule rule,
                    T* context, std::int64_t context_stride, float* scratch);

  // d_context (queries, context_stride) -> d_qkv, of the same layout as qkv; queries beyond those
  // asked get nothing written.
  void (*attention_backward)(const AttentionShape& shape, const T* qkv, std::int64_t stride,
                             std::int64_t keys, std::int64_t values, std::uint64_t key,
                             DropoutRule rule, const float* d_context, std::int64_t context_stride,
                             T* d_qkv, float* scratch);

  // out (columns, out_stride) = in' ; in (rows, columns); out's columns beyond rows are zeroed.
  void (*transpose)(const T* in, std::int64_t rows, std::int64_t columns, T* out,
                    std::int64_t out_stride);

  // Right operand of a product: B(k, n) = source[k * k_stride + n * n_stride] for k < k_count and
  // n < n_count, else 0, as panels of panel_width columns of padded_k rows (see
  // trainer/fast/product.h).
  void (*pack_operand)(const float* source, std::int64_t k_stride, std::int64_t n_stride,
                       std::int64_t k_count, std::int64_t n_count, std::int64_t padded_k,
                       std::int64_t padded_n, T* out);

  // The same of rows already kept as T: B(k, n) = source[k * stride + n].
  void (*pack_rows)(const T* source, std::int64_t stride, std::int64_t k_count,
                    std::int64_t padded_k, std::int64_t n_count, T* out);

  // sums[c] += sum over rows of values (rows, stride).
  void (*add_columns)(const T* values, std::int64_t rows, std::int64_t width, std::int64_t stride,
                      float* sums);
};

// Those that the parameters need, always float.
struct OptimizerKernels {
  double (*sum_of_squares)(const float* values, std::int64_t count);
  // AdamW in one pass; gradient is scaled first.
  void (*adamw)(float* value, const float* gradient, float* first, float* second,
                std::int64_t count, float gradient_scale, float keep, float rate, float root);
};

// Floats of scratch that a row of text of this shape needs, both ways.
std::int64_t attention_scratch(const AttentionShape& shape);

// For the best instruction set of this CPU that LibTorch, too, is allowed to use.
template <class T>
const VectorKernels<T>& vector_kernels();
const OptimizerKernels& optimizer_kernels();

}  // namespace graft
