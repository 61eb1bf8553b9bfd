// The kernels' code. Included once by each vector_kernels_<instruction set>.cpp, which says the
// namespace and the width of a vector; includes and calls nothing that could be merged with code
// compiled for another instruction set.
//
// Plain loops that the compiler turns into vector instructions; sums may be reordered by it, but
// once, at compile time. exp is Cephes' polynomial; erf is 7.1.26 of Abramowitz and Stegun, at most
// 1.5e-7 off.

#ifndef GRAFT_KERNEL_SPACE
#error "define GRAFT_KERNEL_SPACE and GRAFT_VECTOR_BYTES first"
#endif

#include "trainer/fast/kernels/vector_kernels.h"

namespace graft::GRAFT_KERNEL_SPACE {
namespace {

using Index = std::int64_t;
constexpr Index lanes = GRAFT_VECTOR_BYTES / 4;  // floats of a vector
typedef float Vector __attribute__((vector_size(GRAFT_VECTOR_BYTES), aligned(4), may_alias));

inline float load(float value) {
  return value;
}
inline float load(BFloat16Bits value) {
  return __builtin_bit_cast(float, static_cast<std::uint32_t>(value.bits) << 16);
}
inline void store(float* out, float value) {
  *out = value;
}
// Rounds to nearest, ties to even.
inline void store(BFloat16Bits* out, float value) {
  const auto bits = __builtin_bit_cast(std::uint32_t, value);
  const std::uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  out->bits = static_cast<std::uint16_t>(value == value ? rounded : 0x7fc0);
}

// What is no number stays none through every kernel: comparisons are written so that NaN takes the
// way on which it is kept.
inline float larger(float a, float b) {
  return a > b ? a : b;
}

inline float exponential(float x) {
  x = x < -87.3f ? -87.3f : x;
  x = x > 88.3f ? 88.3f : x;
  const float n = __builtin_rintf(x * 1.44269504088896341f);
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const auto exponent = (static_cast<std::int32_t>(n) + 127) << 23;
  return p * __builtin_bit_cast(float, exponent);
}

inline float sigmoid(float x) {
  return 1.0f / (1.0f + exponential(-x));
}
inline float hyperbolic_tangent(float x) {
  return 2.0f * sigmoid(2.0f * x) - 1.0f;
}

// Distribution function of N(0, 1), and by the way exp(-x*x/2).
inline float normal_distribution(float x, float& bell) {
  const float z = __builtin_fabsf(x) * 0.70710678118654752f;
  const float t = 1.0f / (1.0f + 0.3275911f * z);
  bell = exponential(-z * z);
  const float tail =
      t *
      (0.254829592f +
       t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f)))) *
      bell;  // 1 - erf(z)
  return x < 0.0f ? 0.5f * tail : 1.0f - 0.5f * tail;
}

constexpr float gelu_new_scale = 0.7978845608028654f, gelu_new_cube = 0.044715f;

// Value and slope of each activation, one struct each so that loops know them at compile time.
struct Point {
  float value, slope;
};
struct Swish {
  static Point at(float x) {
    const float s = sigmoid(x);
    return {x * s, s * (1.0f + x * (1.0f - s))};
  }
};
struct Relu {
  static Point at(float x) { return {x <= 0.0f ? 0.0f : x, x > 0.0f ? 1.0f : 0.0f}; }
};
struct Gelu {
  static Point at(float x) {
    float bell;
    const float cdf = normal_distribution(x, bell);
    return {x * cdf, cdf + x * bell * 0.3989422804014327f};
  }
};
struct GeluNew {
  static Point at(float x) {
    const float s = sigmoid(2.0f * gelu_new_scale * (x + gelu_new_cube * x * x * x));
    return {x * s,
            s + 2.0f * x * s * (1.0f - s) * gelu_new_scale * (1.0f + 3.0f * gelu_new_cube * x * x)};
  }
};
struct Tanh {
  static Point at(float x) {
    const float t = hyperbolic_tangent(x);
    return {t, 1.0f - t * t};
  }
};

template <class Work>
void with_activation(Activation activation, Work work) {
  switch (activation) {
    case Activation::swish:
      return work(Swish{});
    case Activation::relu:
      return work(Relu{});
    case Activation::gelu:
      return work(Gelu{});
    case Activation::gelu_new:
      return work(GeluNew{});
    case Activation::tanh:
      return work(Tanh{});
  }
}

// ---- Dropout masks: trainer/model/dropout.h has the definition
// ---------------------------------------

constexpr std::uint64_t golden_gamma = 0x9e3779b97f4a7c15;
constexpr Index mask_block = 256;  // elements at a time; a multiple of 4

// mask[i] of elements first … first + count - 1 of the row with this key; first a multiple of 4,
// room for count rounded up to 4.
inline void fill_mask(std::uint64_t key, Index first, Index count, DropoutRule rule, float* mask) {
  std::uint64_t words[mask_block / 4];
  const std::uint64_t base = key + static_cast<std::uint64_t>(first / 4) * golden_gamma;
  for (Index begin = 0; begin < count; begin += mask_block) {
    const Index part = count - begin < mask_block ? count - begin : mask_block;
    const Index groups = (part + 3) / 4;
    const std::uint64_t start = base + static_cast<std::uint64_t>(begin / 4) * golden_gamma;
    for (Index g = 0; g < groups; ++g) {
      std::uint64_t z = start + static_cast<std::uint64_t>(g) * golden_gamma;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
      z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
      words[g] = z ^ (z >> 31);
    }
    typedef std::uint16_t __attribute__((may_alias)) Half;
    const Half* const halves = reinterpret_cast<const Half*>(words);
    for (Index i = 0; i < groups * 4; ++i)
      mask[begin + i] = halves[i] < rule.threshold ? 0.0f : rule.kept;
  }
}

// Calls use(begin, end, mask of [begin, end)) for stretches that cover the row, so that no row is
// too wide.
template <class Use>
inline void with_mask(std::uint64_t key, Index first, Index width, DropoutRule rule, Use use) {
  float mask[mask_block];
  for (Index begin = 0; begin < width; begin += mask_block) {
    const Index end = width - begin < mask_block ? width : begin + mask_block;
    fill_mask(key, first + begin, end - begin, rule, mask);
    use(begin, end, static_cast<const float*>(mask));
  }
}

// ---- LayerNorm ---------------------------------------------------------------------------------

constexpr Index widest_row = widest_hidden_state;

template <class T>
inline void normalize_row(const float* sum, Index width, const float* weight, const float* bias,
                          float epsilon, float* y, T* y_short, T* normed, float* inverse) {
  float mean = 0.0f;
  for (Index c = 0; c < width; ++c) mean += sum[c];
  mean /= static_cast<float>(width);
  float variance = 0.0f;
  for (Index c = 0; c < width; ++c) variance += (sum[c] - mean) * (sum[c] - mean);
  const float scale = 1.0f / __builtin_sqrtf(variance / static_cast<float>(width) + epsilon);
  if (inverse) *inverse = scale;
  if (normed)
    for (Index c = 0; c < width; ++c) store(normed + c, (sum[c] - mean) * scale);
  if (y && y_short) {
    for (Index c = 0; c < width; ++c) {
      const float value = (sum[c] - mean) * scale * weight[c] + bias[c];
      y[c] = value;
      store(y_short + c, value);
    }
  } else if (y) {
    for (Index c = 0; c < width; ++c) y[c] = (sum[c] - mean) * scale * weight[c] + bias[c];
  } else {
    for (Index c = 0; c < width; ++c)
      store(y_short + c, (sum[c] - mean) * scale * weight[c] + bias[c]);
  }
}

template <class T>
void normalize(const float* sum, Index rows, Index width, const float* weight, const float* bias,
               float epsilon, float* y, T* y_short, T* normed, float* inverse) {
  for (Index r = 0; r < rows; ++r)
    normalize_row(sum + r * width, width, weight, bias, epsilon, y ? y + r * width : nullptr,
                  y_short ? y_short + r * width : nullptr, normed ? normed + r * width : nullptr,
                  inverse ? inverse + r : nullptr);
}

template <class T>
void close_sub_block(const float* product, const float* product_bias, const T* z, const float* x,
                     Index rows, Index width, const float* weight, const float* bias, float epsilon,
                     float* y, T* y_short, T* normed, float* inverse) {
  float sum[widest_row];
  for (Index r = 0; r < rows; ++r) {
    const T* const z_row = z + r * width;
    const float* const x_row = x + r * width;
    if (product) {
      const float* const product_row = product + r * width;
      for (Index c = 0; c < width; ++c)
        sum[c] = (product_row[c] + product_bias[c]) + (load(z_row[c]) + x_row[c]);
    } else {
      for (Index c = 0; c < width; ++c) sum[c] = load(z_row[c]) + x_row[c];
    }
    normalize_row(sum, width, weight, bias, epsilon, y ? y + r * width : nullptr,
                  y_short ? y_short + r * width : nullptr, normed ? normed + r * width : nullptr,
                  inverse ? inverse + r : nullptr);
  }
}

template <class T>
void normalize_backward(const float* dy, const T* normed, const float* inverse, Index rows,
                        Index width, const float* weight, float* d_sum, T* d_sum_short,
                        float* weight_gradient, float* bias_gradient, bool add) {
  for (Index r = 0; r < rows; ++r) {
    const float* const dy_row = dy + r * width;
    const T* const normed_row = normed + r * width;
    float* const out = d_sum + r * width;
    float mean = 0.0f, slope = 0.0f;
    for (Index c = 0; c < width; ++c) {
      const float g = dy_row[c] * weight[c];
      mean += g;
      slope += g * load(normed_row[c]);
    }
    mean /= static_cast<float>(width);
    slope /= static_cast<float>(width);
    if (weight_gradient)
      for (Index c = 0; c < width; ++c) {
        weight_gradient[c] += dy_row[c] * load(normed_row[c]);
        bias_gradient[c] += dy_row[c];
      }
    const float scale = inverse[r];
    if (add) {
      for (Index c = 0; c < width; ++c)
        out[c] += scale * (dy_row[c] * weight[c] - mean - load(normed_row[c]) * slope);
    } else {
      for (Index c = 0; c < width; ++c)
        out[c] = scale * (dy_row[c] * weight[c] - mean - load(normed_row[c]) * slope);
    }
    if (d_sum_short)
      for (Index c = 0; c < width; ++c) store(d_sum_short + r * width + c, out[c]);
  }
}

// ---- Bias, dropout, activation -----------------------------------------------------------------

template <class T>
void add_bias(const float* product, const float* bias, Index rows, Index width, T* out,
              Index out_stride) {
  for (Index r = 0; r < rows; ++r)
    for (Index c = 0; c < width; ++c)
      store(out + r * out_stride + c, product[r * width + c] + bias[c]);
}

template <class T>
void add_bias_dropout(const float* product, const float* bias, Index rows, Index width,
                      const std::uint64_t* keys, const Index* elements, DropoutRule rule, T* out) {
  if (rule.threshold == 0) return add_bias(product, bias, rows, width, out, width);
  for (Index r = 0; r < rows; ++r) {
    const float* const p = product + r * width;
    T* const to = out + r * width;
    with_mask(keys[r], elements[r], width, rule, [&](Index begin, Index end, const float* mask) {
      for (Index c = begin; c < end; ++c) store(to + c, (p[c] + bias[c]) * mask[c - begin]);
    });
  }
}

template <class T>
void narrow_all(const float* values, Index count, T* out) {
  for (Index i = 0; i < count; ++i) store(out + i, values[i]);
}

template <class T>
void widen_all(const T* values, Index count, float* out) {
  for (Index i = 0; i < count; ++i) out[i] = load(values[i]);
}

void dropout(float* values, Index rows, Index width, const std::uint64_t* keys,
             const Index* elements, DropoutRule rule) {
  if (rule.threshold == 0) return;
  for (Index r = 0; r < rows; ++r) {
    float* const row = values + r * width;
    with_mask(keys[r], elements[r], width, rule, [&](Index begin, Index end, const float* mask) {
      for (Index c = begin; c < end; ++c) row[c] *= mask[c - begin];
    });
  }
}

template <class T>
void dropout_backward(const float* gradient, const float* product, Index rows, Index width,
                      const std::uint64_t* keys, const Index* elements, DropoutRule rule, T* out) {
  for (Index r = 0; r < rows; ++r) {
    const float* const g = gradient + r * width;
    const float* const p = product ? product + r * width : nullptr;
    T* const to = out + r * width;
    const auto write = [&](Index begin, Index end, const float* mask) {
      if (p) {
        for (Index c = begin; c < end; ++c) store(to + c, (g[c] + p[c]) * mask[c - begin]);
      } else {
        for (Index c = begin; c < end; ++c) store(to + c, g[c] * mask[c - begin]);
      }
    };
    if (rule.threshold != 0) {
      with_mask(keys[r], elements[r], width, rule, write);
    } else if (p) {
      for (Index c = 0; c < width; ++c) store(to + c, g[c] + p[c]);
    } else {
      for (Index c = 0; c < width; ++c) store(to + c, g[c]);
    }
  }
}

template <class T>
void activate(Activation activation, const float* product, const float* bias, Index rows,
              Index width, T* after, T* slope, Index stride) {
  with_activation(activation, [&](auto kind) {
    for (Index r = 0; r < rows; ++r) {
      const float* const p = product + r * width;
      T* const out = after + r * stride;
      if (slope) {
        T* const slopes = slope + r * stride;
        for (Index c = 0; c < width; ++c) {
          const Point point = decltype(kind)::at(p[c] + bias[c]);
          store(out + c, point.value);
          store(slopes + c, point.slope);
        }
      } else {
        for (Index c = 0; c < width; ++c) store(out + c, decltype(kind)::at(p[c] + bias[c]).value);
      }
    }
  });
}

template <class T>
void activate_backward(const float* product, const T* slope, Index rows, Index width, Index stride,
                       T* out) {
  for (Index r = 0; r < rows; ++r)
    for (Index c = 0; c < width; ++c)
      store(out + r * stride + c, product[r * width + c] * load(slope[r * stride + c]));
}

#include "trainer/fast/kernels/attention_body.h"

// ---- Layouts for products ----------------------------------------------------------------------

template <class T>
void transpose(const T* in, Index rows, Index columns, T* out, Index out_stride) {
  constexpr Index block = 16;
  for (Index c0 = 0; c0 < columns; c0 += block)
    for (Index r0 = 0; r0 < rows; r0 += block) {
      const Index c1 = c0 + block < columns ? c0 + block : columns;
      const Index r1 = r0 + block < rows ? r0 + block : rows;
      for (Index c = c0; c < c1; ++c)
        for (Index r = r0; r < r1; ++r) out[c * out_stride + r] = in[r * columns + c];
    }
  for (Index c = 0; c < columns; ++c)
    for (Index r = rows; r < out_stride; ++r) out[c * out_stride + r] = T{};
}

template <class T>
constexpr Index interleaved = 1;  // rows of B that lie side by side
template <>
constexpr Index interleaved<BFloat16Bits> = 2;

template <class T>
void pack_operand(const float* source, Index k_stride, Index n_stride, Index k_count, Index n_count,
                  Index padded_k, Index padded_n, T* out) {
  constexpr Index pair = interleaved<T>;
  for (Index panel = 0; panel < padded_n; panel += panel_width<T>) {
    const Index width = padded_n - panel < panel_width<T> ? padded_n - panel : panel_width<T>;
    for (Index k = 0; k < padded_k; k += pair)
      for (Index n = 0; n < width; ++n)
        for (Index side = 0; side < pair; ++side) {
          const bool inside = k + side < k_count && panel + n < n_count;
          store(out++, inside ? source[(k + side) * k_stride + (panel + n) * n_stride] : 0.0f);
        }
  }
}

template <class T>
void pack_rows(const T* source, Index stride, Index k_count, Index padded_k, Index n_count,
               T* out) {
  constexpr Index pair = interleaved<T>;
  for (Index panel = 0; panel < n_count; panel += panel_width<T>) {
    const Index width = n_count - panel < panel_width<T> ? n_count - panel : panel_width<T>;
    for (Index k = 0; k < padded_k; k += pair, out += width * pair) {
      const T* const row = source + k * stride + panel;
      if (k + pair <= k_count) {
        for (Index n = 0; n < width; ++n)
          for (Index side = 0; side < pair; ++side) out[n * pair + side] = row[side * stride + n];
      } else {
        for (Index n = 0; n < width; ++n)
          for (Index side = 0; side < pair; ++side)
            out[n * pair + side] = k + side < k_count ? row[side * stride + n] : T{};
      }
    }
  }
}

template <class T>
void add_columns(const T* values, Index rows, Index width, Index stride, float* sums) {
  for (Index r = 0; r < rows; ++r)
    for (Index c = 0; c < width; ++c) sums[c] += load(values[r * stride + c]);
}

// ---- Optimizer ---------------------------------------------------------------------------------

double sum_of_squares(const float* values, Index count) {
  double sum = 0.0;
  for (Index i = 0; i < count; ++i)
    sum += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  return sum;
}

void adamw(float* value, const float* gradient, float* first, float* second, Index count,
           float gradient_scale, float keep, float rate, float root) {
  constexpr float beta1 = 0.9f, beta2 = 0.999f, tiny = 1e-8f;
  for (Index i = 0; i < count; ++i) {
    const float g = gradient[i] * gradient_scale;
    first[i] = beta1 * first[i] + (1.0f - beta1) * g;
    second[i] = beta2 * second[i] + (1.0f - beta2) * g * g;
    value[i] = value[i] * keep - rate * first[i] / (__builtin_sqrtf(second[i]) * root + tiny);
  }
}

template <class T>
constexpr VectorKernels<T> kernels{
    normalize<T>,          close_sub_block<T>, normalize_backward<T>, add_bias<T>,
    add_bias_dropout<T>,   narrow_all<T>,      widen_all<T>,          dropout,
    dropout_backward<T>,   activate<T>,        activate_backward<T>,  attention<T>,
    attention_backward<T>, transpose<T>,       pack_operand<T>,       pack_rows<T>,
    add_columns<T>};

}  // namespace

const VectorKernels<float>& float_kernels() {
  return kernels<float>;
}
const VectorKernels<BFloat16Bits>& bfloat16_kernels() {
  return kernels<BFloat16Bits>;
}
const OptimizerKernels& optimizer_kernels() {
  static constexpr OptimizerKernels table{sum_of_squares, adamw};
  return table;
}

}  // namespace graft::GRAFT_KERNEL_SPACE
