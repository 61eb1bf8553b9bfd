// WordPiece: a word becomes the longest vocabulary pieces that spell it, taken greedily from the
// left, or the unknown token. Const after construction: any thread may call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace graft {

struct WordPieceSettings {
  std::vector<std::pair<std::string, std::int32_t>> vocabulary;  // a later entry of a word wins
  std::string unknown_token = "[UNK]";
  std::string continuing_prefix = "##";
  std::size_t max_word_code_points = 100;  // a longer word is unknown
};

// Bytes [begin, end) of the word.
struct WordPieceToken {
  std::int32_t id;
  std::size_t begin, end;
};

class WordPiece {
 public:
  // Throws TokenizerError where the vocabulary lacks the unknown token.
  explicit WordPiece(WordPieceSettings settings);
  WordPiece(const WordPiece&) = delete;  // the maps look into settings_
  WordPiece& operator=(const WordPiece&) = delete;

  // Replaces `tokens`. The word is not empty.
  void split(std::string_view word, std::vector<WordPieceToken>& tokens) const;

  std::optional<std::int32_t> id_of(std::string_view token) const;
  std::size_t id_bound() const { return id_bound_; }  // one more than the largest id

 private:
  using Pieces = std::unordered_map<std::string_view, std::int32_t>;

  const WordPieceSettings settings_;
  Pieces whole_;             // tokens as written: what a word may begin with
  Pieces continuing_;        // tokens with the prefix, keyed without it
  std::size_t longest_ = 0;  // bytes of the longest key
  std::size_t id_bound_ = 0;
  std::int32_t unknown_id_ = 0;
};

}  // namespace graft
