// A data file's rows as tokens and labels, in one piece of bytes that can lie in memory or be a
// mapped file; docs/checkpoints.md has its layout. Immutable: any thread may read.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "trainer/text/dataset.h"
#include "trainer/text/tokenized_rows.h"
#include "trainer/text/tokenizer.h"

namespace graft {

// Bytes that are no tokenized file, are torn, or belong to another key.
class TokenizedFileError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct TokenizedFile {
  TokenSpans tokens;                        // in the order of the file
  std::span<const std::uint8_t> truncated;  // (rows) 1: cut at max_length
  std::int32_t largest_id = -1;             // -1: no tokens
  LabelColumn labels;
  std::span<const std::uint64_t> text_hashes;  // (rows) equal where text and pair are
  std::vector<DataNote> notes;                 // of its reading

  std::size_t rows() const { return truncated.size(); }
  // Rows of the file as a lane trains on them.
  TokenizedRows choose(std::vector<std::uint32_t> chosen) const;
};

// Tokenizes all rows into such bytes. key: 64 characters that say of what, see TokenCache.
// nullopt: stop() said so, asked every few hundred rows.
std::optional<std::string> write_tokenized_file(const DataRows& data, const Tokenizer& tokenizer,
                                                std::size_t max_length, std::string_view key,
                                                const std::function<bool()>& stop);

// A view of the bytes, which owner keeps. Throws TokenizedFileError.
TokenizedFile view_tokenized_file(std::string_view bytes, std::string_view key,
                                  std::shared_ptr<const void> owner);

}  // namespace graft
