// Rows as token ids, packed one after the other: of its own, or a choice of the rows of a file
// whose tokens several lanes, and where they are mapped several processes, share.
// No state: any thread may call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "trainer/contract/prediction.h"
#include "trainer/text/dataset.h"
#include "trainer/text/tokenizer.h"

namespace graft {

// The tokens of all rows of a file.
struct TokenSpans {
  std::span<const std::int32_t> ids;       // (tokens), special tokens included
  std::span<const std::uint8_t> type_ids;  // (tokens)
  std::span<const std::int64_t> offsets;   // (rows + 1): row r is [offsets[r], offsets[r + 1])
  std::shared_ptr<const void> owner;       // what the spans look at
};

struct TokenizedRows {
  // Its own rows; empty where it is a choice.
  std::vector<std::int32_t> ids;
  std::vector<std::uint8_t> type_ids;
  std::vector<std::int64_t> offsets{0};
  std::int64_t truncated_rows = 0;  // rows cut at max_length

  TokenizedRows() = default;
  // chosen: places of rows in `file`.
  TokenizedRows(TokenSpans file, std::vector<std::uint32_t> chosen);

  std::size_t size() const { return file_.owner ? chosen_.size() : offsets.size() - 1; }
  std::int64_t length(std::size_t row) const;
  std::int64_t tokens() const;  // of all rows
  std::span<const std::int32_t> row_ids(std::size_t row) const;
  std::span<const std::uint8_t> row_type_ids(std::size_t row) const;

  // The file that they are chosen from, if any, its number of rows, and a row's place in it.
  const std::shared_ptr<const void>& file() const { return file_.owner; }
  std::size_t file_rows() const { return file_.offsets.size() - 1; }
  std::size_t place(std::size_t row) const { return file_.owner ? chosen_[row] : row; }

  void append(const Encoding& encoding);  // to its own rows

 private:
  TokenSpans file_;
  std::vector<std::uint32_t> chosen_;
};

// max_length as in Tokenizer::encode.
TokenizedRows tokenize_rows(const Tokenizer& tokenizer, std::span<const Row> rows,
                            std::size_t max_length);
TokenizedRows tokenize_inputs(const Tokenizer& tokenizer, std::span<const TextInput> inputs,
                              std::size_t max_length);

}  // namespace graft
