// Rows as token ids, packed one after the other: three vectors instead of three a row.
// No state: any thread may call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "trainer/dataset.h"
#include "trainer/tokenizer.h"

namespace graft {

struct TokenizedRows {
  std::vector<std::int32_t> ids;         // (tokens of all rows), special tokens included
  std::vector<std::uint8_t> type_ids;    // (tokens of all rows)
  std::vector<std::int64_t> offsets{0};  // (rows + 1): row r is [offsets[r], offsets[r + 1])
  std::int64_t truncated_rows = 0;       // rows cut at max_length

  std::size_t size() const { return offsets.size() - 1; }
  std::int64_t length(std::size_t row) const { return offsets[row + 1] - offsets[row]; }
  std::span<const std::int32_t> row_ids(std::size_t row) const;
  std::span<const std::uint8_t> row_type_ids(std::size_t row) const;

  void append(const Encoding& encoding);
};

// max_length as in Tokenizer::encode.
TokenizedRows tokenize_rows(const Tokenizer& tokenizer, std::span<const Row> rows,
                            std::size_t max_length);
TokenizedRows tokenize_inputs(const Tokenizer& tokenizer, std::span<const TextInput> inputs,
                              std::size_t max_length);

}  // namespace graft
