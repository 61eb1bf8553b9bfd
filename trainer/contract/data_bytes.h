// What the bytes of a data file are before anybody reads rows: plain UTF-8, UTF-16 with a mark,
// gzip, all of which are read, or something else (a spreadsheet, an archive), which is named with
// the way out. Torch-free, no state: any thread may call.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace graft {

// Of what gzip or UTF-16 becomes; plain files are read where they lie.
inline constexpr std::size_t max_decoded_bytes = std::size_t{256} << 20;

struct DecodedData {
  std::string_view text;           // UTF-8 without a byte order mark, of `bytes` or of `owned`
  std::size_t offset = 0;          // bytes of a mark cut off before `text`
  std::string problem;             // why it is no text, with the way out; empty: it is
  std::vector<std::string> notes;  // what was recognized, a sentence each
  std::string owned;

  DecodedData() = default;
  DecodedData(const DecodedData&) = delete;  // `text` may look at `owned`
  DecodedData& operator=(const DecodedData&) = delete;
};

// head_only: `bytes` may end anywhere, and no more than `most` decoded bytes are wanted; otherwise
// more of them are a problem.
void decode_data(std::string_view bytes, std::size_t most, bool head_only, DecodedData& decoded);

}  // namespace graft
