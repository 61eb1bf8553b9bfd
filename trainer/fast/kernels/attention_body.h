// Attention of one row of text, both ways; a part of vector_kernels_body.h, which includes it
// within its namespace after everything it uses.

inline Index rounded(Index count) {
  return (count + lanes - 1) / lanes * lanes;
}

// out (Rows, Vectors * lanes) = A B; A's element (r, k) lies at a[r * a_row + k * a_k].
template <int Rows, int Vectors>
inline void multiply_block(const float* a, Index a_row, Index a_k, const float* b, Index b_row,
                           Index depth, float* out, Index out_row) {
  Vector sums[Rows][Vectors] = {};
  for (Index k = 0; k < depth; ++k) {
    Vector columns[Vectors];
    for (int v = 0; v < Vectors; ++v)
      columns[v] = *reinterpret_cast<const Vector*>(b + k * b_row + v * lanes);
    for (int r = 0; r < Rows; ++r) {
      const float factor = a[r * a_row + k * a_k];
      for (int v = 0; v < Vectors; ++v) sums[r][v] += factor * columns[v];
    }
  }
  for (int r = 0; r < Rows; ++r)
    for (int v = 0; v < Vectors; ++v)
      *reinterpret_cast<Vector*>(out + r * out_row + v * lanes) = sums[r][v];
}

template <int Vectors>
inline void multiply_columns(Index rows, const float* a, Index a_row, Index a_k, const float* b,
                             Index b_row, Index depth, float* out, Index out_row) {
  Index r = 0;
  for (; r + 4 <= rows; r += 4)
    multiply_block<4, Vectors>(a + r * a_row, a_row, a_k, b, b_row, depth, out + r * out_row,
                               out_row);
  for (; r < rows; ++r)
    multiply_block<1, Vectors>(a + r * a_row, a_row, a_k, b, b_row, depth, out + r * out_row,
                               out_row);
}

// columns: a multiple of `lanes`.
inline void multiply(Index rows, Index columns, Index depth, const float* a, Index a_row, Index a_k,
                     const float* b, Index b_row, float* out, Index out_row) {
  Index c = 0;
  for (; c + 2 * lanes <= columns; c += 2 * lanes)
    multiply_columns<2>(rows, a, a_row, a_k, b + c, b_row, depth, out + c, out_row);
  for (; c < columns; c += lanes)
    multiply_columns<1>(rows, a, a_row, a_k, b + c, b_row, depth, out + c, out_row);
}

// (rows, width) of T with a stride -> float (rows, padded width), times factor.
template <class T>
inline void widen(const T* in, Index stride, Index rows, Index width, Index padded, float factor,
                  float* out) {
  for (Index r = 0; r < rows; ++r) {
    for (Index c = 0; c < width; ++c) out[r * padded + c] = load(in[r * stride + c]) * factor;
    for (Index c = width; c < padded; ++c) out[r * padded + c] = 0.0f;
  }
}

// (rows, width) -> (width, padded rows)
template <class T>
inline void widen_transposed(const T* in, Index stride, Index rows, Index width, Index padded,
                             float* out) {
  for (Index r = 0; r < rows; ++r)
    for (Index c = 0; c < width; ++c) out[c * padded + r] = load(in[r * stride + c]);
  for (Index r = rows; r < padded; ++r)
    for (Index c = 0; c < width; ++c) out[c * padded + r] = 0.0f;
}

inline void softmax_row(float* scores, Index count, Index padded) {
  float highest = scores[0];
  for (Index j = 1; j < count; ++j) highest = larger(highest, scores[j]);
  float sum = 0.0f;
  for (Index j = 0; j < count; ++j) {
    scores[j] = exponential(scores[j] - highest);
    sum += scores[j];
  }
  const float factor = 1.0f / sum;
  for (Index j = 0; j < count; ++j) scores[j] *= factor;
  for (Index j = count; j < padded; ++j) scores[j] = 0.0f;
}

// The first element of query i's weights of a head, in the row's random numbers.
inline Index weight_element(const AttentionShape& shape, Index head, Index query) {
  const Index columns = (shape.length + 3) / 4 * 4;
  return (head * shape.length + query) * columns;
}

template <class T>
void attention(const AttentionShape& shape, const T* qkv, Index stride, Index keys, Index values,
               std::uint64_t key, DropoutRule rule, T* context, Index context_stride,
               float* scratch) {
  const Index length = shape.length, width = shape.width, queries = shape.queries;
  const Index padded_length = rounded(length), padded_width = rounded(width);
  const float scale = 1.0f / __builtin_sqrtf(static_cast<float>(width));
  float* const q = scratch;                               // (queries, padded width)
  float* const kt = q + queries * padded_width;           // (width, padded length)
  float* const v = kt + width * padded_length;            // (length, padded width)
  float* const weights = v + length * padded_width;       // (queries, padded length)
  float* const mask = weights + queries * padded_length;  // (padded length + 4)
  for (Index head = 0; head < shape.heads; ++head) {
    const T* const source = qkv + head * width;
    widen(source, stride, queries, width, padded_width, scale, q);
    widen_transposed(source + keys, stride, length, width, padded_length, kt);
    widen(source + values, stride, length, width, padded_width, 1.0f, v);
    multiply(queries, padded_length, width, q, padded_width, 1, kt, padded_length, weights,
             padded_length);
    for (Index i = 0; i < queries; ++i) {
      float* const row = weights + i * padded_length;
      softmax_row(row, length, padded_length);
      if (rule.threshold != 0) {
        fill_mask(key, weight_element(shape, head, i), length, rule, mask);
        for (Index j = 0; j < length; ++j) row[j] *= mask[j];
      }
    }
    multiply(queries, padded_width, length, weights, padded_length, 1, v, padded_width, q,
             padded_width);
    for (Index i = 0; i < queries; ++i)
      for (Index c = 0; c < width; ++c)
        store(context + i * context_stride + head * width + c, q[i * padded_width + c]);
  }
}

template <class T>
inline void narrow(const float* in, Index rows, Index width, Index padded, float factor, T* out,
                   Index stride) {
  for (Index r = 0; r < rows; ++r)
    for (Index c = 0; c < width; ++c) store(out + r * stride + c, in[r * padded + c] * factor);
}

template <class T>
void attention_backward(const AttentionShape& shape, const T* qkv, Index stride, Index keys,
                        Index values, std::uint64_t key, DropoutRule rule, const float* d_context,
                        Index context_stride, T* d_qkv, float* scratch) {
  const Index length = shape.length, width = shape.width, queries = shape.queries;
  const Index padded_length = rounded(length), padded_width = rounded(width);
  const float scale = 1.0f / __builtin_sqrtf(static_cast<float>(width));
  float* const q = scratch;                           // (queries, padded width), times scale
  float* const dc = q + queries * padded_width;       // (queries, padded width)
  float* const k = dc + queries * padded_width;       // (length, padded width)
  float* const kt = k + length * padded_width;        // (width, padded length)
  float* const vt = kt + width * padded_length;       // (width, padded length)
  float* const weights = vt + width * padded_length;  // (queries, padded length)
  float* const d_scores = weights + queries * padded_length;  // (queries, padded length)
  float* const out = d_scores + queries * padded_length;      // (length, padded width)
  float* const mask = out + length * padded_width;            // (padded length + 4)
  for (Index head = 0; head < shape.heads; ++head) {
    const T* const source = qkv + head * width;
    T* const target = d_qkv + head * width;
    widen(source, stride, queries, width, padded_width, scale, q);
    widen(source + keys, stride, length, width, padded_width, 1.0f, k);
    widen_transposed(source + keys, stride, length, width, padded_length, kt);
    widen_transposed(source + values, stride, length, width, padded_length, vt);
    widen(d_context + head * width, context_stride, queries, width, padded_width, 1.0f, dc);
    multiply(queries, padded_length, width, q, padded_width, 1, kt, padded_length, weights,
             padded_length);
    multiply(queries, padded_length, width, dc, padded_width, 1, vt, padded_length, d_scores,
             padded_length);
    for (Index i = 0; i < queries; ++i) {
      float* const p = weights + i * padded_length;
      float* const dp = d_scores + i * padded_length;
      softmax_row(p, length, padded_length);
      if (rule.threshold != 0) {
        fill_mask(key, weight_element(shape, head, i), length, rule, mask);
        for (Index j = 0; j < length; ++j) dp[j] *= mask[j];
      }
      float dot = 0.0f;
      for (Index j = 0; j < length; ++j) dot += p[j] * dp[j];
      for (Index j = 0; j < length; ++j) dp[j] = p[j] * (dp[j] - dot);
      if (rule.threshold != 0)
        for (Index j = 0; j < length; ++j) p[j] *= mask[j];
      for (Index j = length; j < padded_length; ++j) dp[j] = 0.0f;
    }
    // values: P' dO; keys: dS' Q (q holds the scale); queries: dS K * scale
    multiply(length, padded_width, queries, weights, 1, padded_length, dc, padded_width, out,
             padded_width);
    narrow(out, length, width, padded_width, 1.0f, target + values, stride);
    multiply(length, padded_width, queries, d_scores, 1, padded_length, q, padded_width, out,
             padded_width);
    narrow(out, length, width, padded_width, 1.0f, target + keys, stride);
    multiply(queries, padded_width, length, d_scores, padded_length, 1, k, padded_width, out,
             padded_width);
    narrow(out, queries, width, padded_width, scale, target, stride);
  }
}
