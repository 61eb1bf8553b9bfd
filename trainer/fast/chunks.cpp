// Cutting rows into chunks of near equal work.
#include "trainer/fast/chunks.h"

#include <algorithm>
#include <numeric>

namespace graft {
namespace {

constexpr std::int64_t chunk_tokens =
    128;  // fills the vector units, and its arrays fit the L2 cache

// Cuts an order of rows into at most `parts` runs of near equal tokens: where each begins.
std::vector<std::size_t> cut(const std::vector<std::int64_t>& lengths, std::int64_t parts) {
  const std::int64_t total = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
  std::vector<std::size_t> begins{0};
  std::int64_t taken = 0;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    const auto part = static_cast<std::int64_t>(begins.size());
    // A row goes where its middle lies.
    if (i > begins.back() && (2 * taken + lengths[i]) * parts > 2 * part * total)
      begins.push_back(i);
    taken += lengths[i];
  }
  return begins;
}

// Few rows are split so that several threads find work.
std::int64_t chunk_count(std::int64_t tokens) {
  if (tokens <= chunk_tokens / 2) return 1;
  if (tokens <= chunk_tokens) return 2;
  const std::int64_t least = (tokens + chunk_tokens - 1) / chunk_tokens;
  return (least + 3) / 4 * 4;
}

}  // namespace

std::vector<Segment> cut_into_segments(const LaneRows& lane) {
  std::vector<std::size_t> order(lane.chosen.size());  // places in the batch, long rows first
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto length_of = [&](std::size_t place) { return lane.rows->length(lane.chosen[place]); };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return length_of(a) > length_of(b); });
  std::vector<Segment> segments;
  for (std::size_t begin = 0; begin < order.size();) {
    std::vector<std::int64_t> lengths;
    std::int64_t tokens = 0;
    for (std::size_t i = begin; i < order.size(); ++i) {
      const std::int64_t length = length_of(order[i]);
      if (!lengths.empty() && tokens + length > segment_tokens) break;
      lengths.push_back(length);
      tokens += length;
    }
    Segment segment;
    segment.tokens = tokens;
    const std::vector<std::size_t> begins = cut(lengths, chunk_count(tokens));
    for (std::size_t c = 0; c < begins.size(); ++c) {
      const std::size_t end = c + 1 < begins.size() ? begins[c + 1] : lengths.size();
      Chunk chunk;
      chunk.first_row = static_cast<std::int64_t>(segment.batch_rows.size());
      for (std::size_t i = begins[c]; i < end; ++i) {
        const std::size_t place = order[begin + i];
        const std::size_t row = lane.chosen[place];
        chunk.rows.push_back({lane.rows->row_ids(row).data(), lane.rows->row_type_ids(row).data(),
                              lengths[i], static_cast<std::int64_t>(place),
                              static_cast<std::int64_t>(lane.rows->place(row)), chunk.tokens});
        chunk.tokens += lengths[i];
        segment.batch_rows.push_back(static_cast<std::int64_t>(place));
      }
      segment.chunks.push_back(std::move(chunk));
    }
    begin += lengths.size();
    segments.push_back(std::move(segment));
  }
  return segments;
}

}  // namespace graft
