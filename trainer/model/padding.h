// The way of packed tokens into padded attention buckets and back, for values and gradients.
//
// Gradients of padding are exactly zero, because attention masks it, so both backward passes are
// plain copies instead of additions at indices.
#pragma once

#include <ATen/core/Tensor.h>

#include "trainer/model/batching.h"

namespace graft {

at::Tensor pad(const at::Tensor& packed, const PackedBatch& batch);    // (tokens, w) -> (padded, w)
at::Tensor unpad(const at::Tensor& padded, const PackedBatch& batch);  // (padded, w) -> (tokens, w)

}  // namespace graft
