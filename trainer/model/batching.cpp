// Packing of batches.
#include "trainer/model/batching.h"

#include <torch/torch.h>

#include <algorithm>
#include <limits>
#include <numeric>

namespace graft {
namespace {

// Rows share a bucket with the longest one while they fill at least this share of it. Small batches
// of short rows cost more in dispatch than in padding, hence the free tokens.
constexpr double least_fill = 0.7;
constexpr std::int64_t free_padding = 6;

at::Tensor to_tensor(const std::vector<std::int64_t>& values) {
  return at::tensor(values, at::kLong);
}

class Packer {
 public:
  void add_lane(std::size_t lane, const LaneRows& source) {
    const std::int64_t tokens_before = tokens();
    std::vector<std::size_t> by_length(source.chosen.size());
    std::iota(by_length.begin(), by_length.end(), std::size_t{0});
    std::stable_sort(by_length.begin(), by_length.end(), [&](std::size_t a, std::size_t b) {
      return source.rows->length(source.chosen[a]) > source.rows->length(source.chosen[b]);
    });
    const std::size_t rows_before = first_tokens_.size();
    first_tokens_.resize(rows_before + source.chosen.size());

    for (std::size_t begin = 0; begin < by_length.size();) {
      const std::int64_t longest = source.rows->length(source.chosen[by_length[begin]]);
      std::size_t end = begin;
      while (end < by_length.size() &&
             shares_bucket(source.rows->length(source.chosen[by_length[end]]), longest))
        ++end;
      AttentionBucket bucket{lane, static_cast<std::int64_t>(end - begin), longest, {}};
      std::vector<std::int64_t> lengths;
      for (std::size_t i = begin; i < end; ++i) {
        first_tokens_[rows_before + by_length[i]] = tokens();
        batch_.rows.push_back({lane, static_cast<std::int64_t>(by_length[i]),
                               source.rows->length(source.chosen[by_length[i]])});
        lengths.push_back(add_row(*source.rows, source.chosen[by_length[i]], longest));
      }
      bucket.mask = padding_mask(lengths, longest);
      batch_.buckets.push_back(std::move(bucket));
      begin = end;
    }
    batch_.lane_tokens.push_back(tokens() - tokens_before);
    batch_.lane_rows.push_back(static_cast<std::int64_t>(source.chosen.size()));
  }

  PackedBatch finish() {
    batch_.tokens = tokens();
    batch_.token_ids = to_tensor(ids_);
    batch_.position_ids = to_tensor(positions_);
    batch_.token_type_ids = to_tensor(types_);
    batch_.first_tokens = to_tensor(first_tokens_);
    batch_.has_padding = padded_to_token_.size() != ids_.size();
    batch_.padded_to_token = to_tensor(padded_to_token_);
    batch_.token_to_padded = to_tensor(token_to_padded_);
    return std::move(batch_);
  }

 private:
  static bool shares_bucket(std::int64_t length, std::int64_t longest) {
    return longest - length <= free_padding ||
           static_cast<double>(length) >= least_fill * static_cast<double>(longest);
  }

  std::int64_t tokens() const { return static_cast<std::int64_t>(ids_.size()); }

  std::int64_t add_row(const TokenizedRows& rows, std::size_t row, std::int64_t padded_length) {
    const std::int64_t start = tokens();
    const auto ids = rows.row_ids(row);
    const auto types = rows.row_type_ids(row);
    const auto length = static_cast<std::int64_t>(ids.size());
    for (std::int64_t i = 0; i < length; ++i) {
      token_to_padded_.push_back(static_cast<std::int64_t>(padded_to_token_.size()));
      padded_to_token_.push_back(start + i);
      ids_.push_back(ids[static_cast<std::size_t>(i)]);
      types_.push_back(types[static_cast<std::size_t>(i)]);
      positions_.push_back(i);
    }
    padded_to_token_.insert(padded_to_token_.end(),
                            static_cast<std::size_t>(padded_length - length), start);
    return length;
  }

  static at::Tensor padding_mask(const std::vector<std::int64_t>& lengths, std::int64_t longest) {
    if (lengths.back() == longest) return {};
    const auto rows = static_cast<std::int64_t>(lengths.size());
    at::Tensor mask = at::zeros({rows, 1, 1, longest});
    float* const values = mask.mutable_data_ptr<float>();
    for (std::int64_t r = 0; r < rows; ++r)
      std::fill(values + r * longest + lengths[static_cast<std::size_t>(r)],
                values + (r + 1) * longest, -std::numeric_limits<float>::infinity());
    return mask;
  }

  PackedBatch batch_;
  std::vector<std::int64_t> ids_, positions_, types_;
  std::vector<std::int64_t> first_tokens_, padded_to_token_, token_to_padded_;
};

}  // namespace

PackedBatch pack(std::span<const LaneRows> lanes) {
  Packer packer;
  for (std::size_t lane = 0; lane < lanes.size(); ++lane) packer.add_lane(lane, lanes[lane]);
  return packer.finish();
}

}  // namespace graft
