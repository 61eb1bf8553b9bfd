// BERT's WordPiece tokenizer, equal id for id to Hugging Face's `tokenizers` on the same directory.
// Loaded once, then const: any thread may call encode(). Text is UTF-8; bytes that are not become
// U+FFFD, which BERT's normalization drops.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace graft {

// A directory without a usable tokenizer; what() names the file, the reason and the way out.
class TokenizerError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Where a token comes from: code points [begin, end) of its own text (of the pair for tokens of
// the pair), as Hugging Face reports them to Python. Special tokens of the frame have {0, 0}.
struct TokenOffsets {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  bool operator==(const TokenOffsets&) const = default;
};

struct Encoding {
  std::vector<std::int32_t> ids;       // (tokens), special tokens included
  std::vector<std::uint8_t> type_ids;  // (tokens), 0 first text, 1 pair
  std::vector<TokenOffsets> offsets;   // (tokens)
  bool truncated = false;              // tokens were cut to fit max_length
};

class Tokenizer {
 public:
  // Reads tokenizer.json where the directory has it (its truncation and padding are ignored), else
  // vocab.txt with tokenizer_config.json. Throws TokenizerError.
  static Tokenizer load(const std::filesystem::path& backbone_directory);

  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  // [CLS] text [SEP], or [CLS] text [SEP] pair [SEP]. Cut "longest first" to max_length tokens,
  // special tokens included; 0 cuts nothing. A max_length that the special tokens alone fill (2,
  // or 3 with a pair) leaves only them.
  Encoding encode(std::string_view text, std::optional<std::string_view> pair = std::nullopt,
                  std::size_t max_length = 0) const;

  std::size_t vocabulary_size() const;  // ids are below this
  std::int32_t padding_id() const;

 private:
  struct Parts;
  explicit Tokenizer(std::unique_ptr<const Parts> parts);
  std::unique_ptr<const Parts> parts_;
};

}  // namespace graft
