// Added tokens, normalization, words, word pieces, truncation and frame, in that order.
#include "trainer/text/tokenizer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "trainer/text/added_tokens.h"
#include "trainer/text/text_normalization.h"
#include "trainer/text/tokenizer_settings.h"
#include "trainer/text/wordpiece.h"

namespace graft {
namespace {

enum class CharacterKind : std::uint8_t { letter, space, punctuation };

CharacterKind kind_of(char32_t code_point) {
  static const std::array<CharacterKind, 128> ascii = [] {
    std::array<CharacterKind, 128> kinds{};
    for (char32_t c = 0; c < 128; ++c) {
      kinds[c] = is_bert_whitespace(c)    ? CharacterKind::space
                 : is_bert_punctuation(c) ? CharacterKind::punctuation
                                          : CharacterKind::letter;
    }
    return kinds;
  }();
  if (code_point < 128) return ascii[code_point];
  if (is_bert_whitespace(code_point)) return CharacterKind::space;
  return is_bert_punctuation(code_point) ? CharacterKind::punctuation : CharacterKind::letter;
}

std::vector<AddedToken> tokens_where(const std::vector<AddedToken>& tokens, bool normalized) {
  std::vector<AddedToken> chosen;
  std::ranges::copy_if(tokens, std::back_inserter(chosen),
                       [&](const AddedToken& token) { return token.normalized == normalized; });
  return chosen;
}

std::vector<AddedToken> normalize_tokens(std::vector<AddedToken> tokens,
                                         const TextNormalizer& normalizer) {
  NormalizedText normalized;
  for (AddedToken& token : tokens) {
    normalizer.normalize(token.content, 0, normalized);
    token.content = normalized.text;
  }
  return tokens;
}

std::uint32_t count_code_points(std::string_view text) {
  std::uint32_t count = 0;
  for (std::size_t position = 0; position < text.size(); ++count) next_code_point(text, position);
  return count;
}

// Tokens of one text, without its frame.
struct Tokens {
  std::vector<std::int32_t> ids;
  std::vector<TokenOffsets> offsets;

  void append(std::int32_t id, TokenOffsets offset) {
    ids.push_back(id);
    offsets.push_back(offset);
  }
  void truncate(std::size_t length) {
    ids.resize(std::min(length, ids.size()));
    offsets.resize(ids.size());
  }
};

std::size_t special_tokens_of(const std::vector<FramePiece>& frame) {
  std::size_t count = 0;
  for (const FramePiece& piece : frame) count += piece.ids.size();
  return count;
}

// "Longest first" as Hugging Face computes it: the longer one is cut down to the shorter one, then
// both are halved; the one token left over goes to the longer, of equals to the second.
std::pair<std::size_t, std::size_t> truncated_lengths(std::size_t first, std::size_t second,
                                                      std::size_t budget) {
  if (first + second <= budget) return {first, second};
  std::size_t shorter = std::min(first, second);
  std::size_t longer = 0;
  longer = shorter > budget ? shorter : std::max(shorter, budget - shorter);
  if (shorter + longer > budget) {
    shorter = budget / 2;
    longer = shorter + budget % 2;
  }
  return first > second ? std::pair(longer, shorter) : std::pair(shorter, longer);
}

}  // namespace

struct Tokenizer::Parts {
  explicit Parts(TokenizerSettings settings)
      : normalizer(settings.normalization),
        raw_tokens(tokens_where(settings.added_tokens, false)),
        normalized_tokens(normalize_tokens(tokens_where(settings.added_tokens, true), normalizer)),
        word_piece(std::move(settings.word_piece)),
        single_frame(std::move(settings.single_frame)),
        pair_frame(std::move(settings.pair_frame)),
        padding_id(settings.padding_id),
        id_bound(word_piece.id_bound()) {
    for (const AddedToken& token : settings.added_tokens) {
      id_bound = std::max(id_bound, static_cast<std::size_t>(token.id) + 1);
    }
  }

  // limit: words after that many tokens are not looked at; 0 looks at all.
  Tokens tokenize(std::string_view text, std::size_t limit) const;

  // Both return false where the limit is reached.
  bool append_section(const NormalizedText& section, std::size_t limit, Tokens& tokens) const;
  bool append_words(const NormalizedText& section, std::size_t begin, std::size_t end,
                    std::size_t limit, Tokens& tokens) const;

  TextNormalizer normalizer;
  AddedTokenMatcher raw_tokens, normalized_tokens;
  WordPiece word_piece;
  std::vector<FramePiece> single_frame, pair_frame;
  std::int32_t padding_id;
  std::size_t id_bound;
};

Tokens Tokenizer::Parts::tokenize(std::string_view text, std::size_t limit) const {
  Tokens tokens;
  tokens.ids.reserve(text.size() / 4 + 4);
  tokens.offsets.reserve(text.size() / 4 + 4);
  NormalizedText section;
  std::vector<AddedTokenMatcher::Stretch> stretches;
  raw_tokens.split(text, stretches);
  std::uint32_t index = 0;  // code points before the stretch
  for (const AddedTokenMatcher::Stretch& stretch : stretches) {
    const std::string_view raw = text.substr(stretch.begin, stretch.end - stretch.begin);
    if (stretch.id) {
      const std::uint32_t begin = index;
      index += count_code_points(raw);
      tokens.append(*stretch.id, {begin, index});
      continue;
    }
    index = normalizer.normalize(raw, index, section);
    if (!append_section(section, limit, tokens)) break;
  }
  return tokens;
}

bool Tokenizer::Parts::append_section(const NormalizedText& section, std::size_t limit,
                                      Tokens& tokens) const {
  if (normalized_tokens.empty()) {
    return append_words(section, 0, section.text.size(), limit, tokens);
  }
  std::vector<AddedTokenMatcher::Stretch> stretches;
  normalized_tokens.split(section.text, stretches);
  for (const AddedTokenMatcher::Stretch& stretch : stretches) {
    if (stretch.id) {
      tokens.append(*stretch.id, {section.begins[stretch.begin], section.ends[stretch.end - 1]});
    } else if (!append_words(section, stretch.begin, stretch.end, limit, tokens)) {
      return false;
    }
  }
  return true;
}

bool Tokenizer::Parts::append_words(const NormalizedText& section, std::size_t begin,
                                    std::size_t end, std::size_t limit, Tokens& tokens) const {
  const std::string_view text = std::string_view(section.text).substr(0, end);
  std::vector<WordPieceToken> pieces;
  const auto append_word = [&](std::size_t word_begin, std::size_t word_end) {
    word_piece.split(text.substr(word_begin, word_end - word_begin), pieces);
    for (const WordPieceToken& piece : pieces) {
      tokens.append(piece.id, {section.begins[word_begin + piece.begin],
                               section.ends[word_begin + piece.end - 1]});
    }
    return limit == 0 || tokens.ids.size() < limit;
  };
  std::size_t word = begin;  // where the word in progress began
  for (std::size_t position = begin; position < end;) {
    const std::size_t here = position;
    const CharacterKind kind = kind_of(next_code_point(text, position));
    if (kind == CharacterKind::letter) continue;
    if (word < here && !append_word(word, here)) return false;
    if (kind == CharacterKind::punctuation && !append_word(here, position)) return false;
    word = position;
  }
  return word == end || append_word(word, end);
}

Tokenizer::Tokenizer(std::unique_ptr<const Parts> parts) : parts_(std::move(parts)) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

Tokenizer Tokenizer::load(const std::filesystem::path& backbone_directory) {
  try {
    return Tokenizer(std::make_unique<const Parts>(read_tokenizer_settings(backbone_directory)));
  } catch (const TokenizerError& error) {
    throw TokenizerError("cannot load the tokenizer: " + std::string(error.what()));
  }
}

Encoding Tokenizer::encode(std::string_view text, std::optional<std::string_view> pair,
                           std::size_t max_length) const {
  const std::vector<FramePiece>& frame = pair ? parts_->pair_frame : parts_->single_frame;
  // A pair is cut by the full lengths of both texts, so neither may stop early.
  Tokens first = parts_->tokenize(text, pair ? 0 : max_length);
  Tokens second;
  if (pair) second = parts_->tokenize(*pair, 0);

  Encoding encoding;
  const std::size_t special_tokens = special_tokens_of(frame);
  if (max_length > 0) {
    const std::size_t budget = max_length > special_tokens ? max_length - special_tokens : 0;
    const auto [first_length, second_length] =
        truncated_lengths(first.ids.size(), second.ids.size(), budget);
    encoding.truncated = first_length < first.ids.size() || second_length < second.ids.size();
    first.truncate(first_length);
    second.truncate(second_length);
  }

  const std::size_t length = first.ids.size() + second.ids.size() + special_tokens;
  encoding.ids.reserve(length);
  encoding.type_ids.reserve(length);
  encoding.offsets.reserve(length);
  for (const FramePiece& piece : frame) {
    if (piece.kind == FramePiece::Kind::special_tokens) {
      encoding.ids.insert(encoding.ids.end(), piece.ids.begin(), piece.ids.end());
    } else {
      const Tokens& tokens = piece.kind == FramePiece::Kind::text ? first : second;
      encoding.ids.insert(encoding.ids.end(), tokens.ids.begin(), tokens.ids.end());
      encoding.offsets.insert(encoding.offsets.end(), tokens.offsets.begin(), tokens.offsets.end());
    }
    encoding.offsets.resize(encoding.ids.size());
    encoding.type_ids.resize(encoding.ids.size(), piece.type_id);
  }
  return encoding;
}

std::size_t Tokenizer::vocabulary_size() const {
  return parts_->id_bound;
}

std::int32_t Tokenizer::padding_id() const {
  return parts_->padding_id;
}

}  // namespace graft
