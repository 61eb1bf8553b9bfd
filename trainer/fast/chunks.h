// How a lane's rows of one step are cut for the fast pass.
//
// A chunk is a few whole rows that one thread takes through the network; a segment is as many
// chunks as fit the memory of one pass. Both depend on the lane's rows alone, neither on other
// lanes nor on the number of threads, and everything is summed in their order: so are the bits.
#pragma once

#include <cstdint>
#include <vector>

#include "trainer/model/batching.h"

namespace graft {

struct ChunkRow {
  const std::int32_t* ids = nullptr;    // (length)
  const std::uint8_t* types = nullptr;  // (length)
  std::int64_t length = 0;              // tokens
  std::int64_t row = 0;                 // its place in the lane's batch
  std::int64_t source_row = 0;          // its place in the lane's data file
  std::int64_t begin = 0;               // its first token in the chunk
};

struct Chunk {
  std::vector<ChunkRow> rows;
  std::int64_t tokens = 0;
  std::int64_t first_row = 0;  // of its rows within the segment
};

struct Segment {
  std::vector<Chunk> chunks;
  std::vector<std::int64_t> batch_rows;  // of its rows, in the order of its chunks
  std::int64_t tokens = 0;
};

// Tokens of a pass; bounds the memory of activations. A longer row is a segment of its own.
inline constexpr std::int64_t segment_tokens = 1024;

// At least one segment; each has at least one row.
std::vector<Segment> cut_into_segments(const LaneRows& lane);

}  // namespace graft
