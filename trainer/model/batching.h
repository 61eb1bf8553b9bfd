// Token rows of all lanes of a step, packed one after the other without padding.
//
// Tokens lie sorted by lane, and within a lane by row length, so that rows of near length share an
// attention bucket: the only place with padding. Buckets never mix lanes. Immutable once made.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "trainer/text/tokenized_rows.h"

namespace graft {

// Rows of near length that go through attention together, padded to the longest.
struct AttentionBucket {
  std::size_t lane = 0;
  std::int64_t rows = 0;
  std::int64_t length = 0;
  at::Tensor mask;  // (rows, 1, 1, length): 0 for tokens, -inf for padding; undefined: no padding
};

// A row in the order of tokens.
struct PackedRow {
  std::size_t lane = 0;
  std::int64_t row = 0;  // its place among the lane's chosen ones
  std::int64_t length = 0;
};

struct PackedBatch {
  at::Tensor token_ids;       // (tokens) int64
  at::Tensor position_ids;    // (tokens) int64, from 0 in each row
  at::Tensor token_type_ids;  // (tokens) int64
  at::Tensor first_tokens;    // (rows) int64: where each row begins, in the order it was asked for
  at::Tensor
      padded_to_token;  // (padded) int64: a bucket's places; padding points at its row's start
  at::Tensor token_to_padded;             // (tokens) int64
  bool has_padding = false;               // false: both maps are the identity
  std::vector<std::int64_t> lane_tokens;  // (lanes) tokens of each lane
  std::vector<std::int64_t> lane_rows;    // (lanes)
  std::vector<PackedRow> rows;            // (rows) in the order of tokens, hence of buckets
  std::vector<AttentionBucket> buckets;
  std::int64_t tokens = 0;
};

struct LaneRows {
  const TokenizedRows* rows = nullptr;
  std::span<const std::size_t> chosen;  // at least one, of rows with at least one token
};

PackedBatch pack(std::span<const LaneRows> lanes);

}  // namespace graft
