// What a backbone directory says about its tokenizer, read from Hugging Face's files and checked.
// No state: any thread may call.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "trainer/text/added_tokens.h"
#include "trainer/text/text_normalization.h"
#include "trainer/text/wordpiece.h"

namespace graft {

// The frame round the text: special tokens, and where the text and the pair go.
struct FramePiece {
  enum class Kind { special_tokens, text, pair };
  Kind kind = Kind::text;
  std::vector<std::int32_t> ids;  // of special tokens
  std::uint8_t type_id = 0;
};

struct TokenizerSettings {
  NormalizationRules normalization;
  WordPieceSettings word_piece;
  std::vector<AddedToken> added_tokens;
  std::vector<FramePiece> single_frame;  // [CLS] text [SEP]
  std::vector<FramePiece> pair_frame;    // [CLS] text [SEP] pair [SEP]
  std::int32_t padding_id = 0;
};

// tokenizer.json if the directory has one, else vocab.txt with tokenizer_config.json. Throws
// TokenizerError naming the file, also for a tokenizer that is not BERT's WordPiece.
TokenizerSettings read_tokenizer_settings(const std::filesystem::path& backbone_directory);

}  // namespace graft
