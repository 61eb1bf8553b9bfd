// See the header.
#include "trainer/text/wordpiece.h"

#include <algorithm>

#include "trainer/text/tokenizer.h"

namespace graft {
namespace {

bool is_continuation_byte(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0u) == 0x80;
}

std::size_t count_code_points(std::string_view text) {
  return text.size() -
         static_cast<std::size_t>(std::count_if(text.begin(), text.end(), is_continuation_byte));
}

}  // namespace

WordPiece::WordPiece(WordPieceSettings settings) : settings_(std::move(settings)) {
  const std::string& prefix = settings_.continuing_prefix;
  whole_.reserve(settings_.vocabulary.size());
  for (const auto& [token, id] : settings_.vocabulary) {
    whole_.insert_or_assign(token, id);
    if (token.starts_with(prefix)) {
      continuing_.insert_or_assign(std::string_view(token).substr(prefix.size()), id);
    }
    longest_ = std::max(longest_, token.size());
    id_bound_ = std::max(id_bound_, static_cast<std::size_t>(id) + 1);
  }
  const std::optional<std::int32_t> unknown = id_of(settings_.unknown_token);
  if (!unknown) {
    throw TokenizerError("the vocabulary has no unknown token \"" + settings_.unknown_token + "\"");
  }
  unknown_id_ = *unknown;
}

std::optional<std::int32_t> WordPiece::id_of(std::string_view token) const {
  const auto found = whole_.find(token);
  if (found == whole_.end()) return std::nullopt;
  return found->second;
}

void WordPiece::split(std::string_view word, std::vector<WordPieceToken>& tokens) const {
  tokens.clear();
  const auto unknown = [&] { tokens.assign(1, {unknown_id_, 0, word.size()}); };
  // A word has at least a quarter as many code points as bytes, at most as many.
  if (word.size() > settings_.max_word_code_points &&
      count_code_points(word) > settings_.max_word_code_points) {
    return unknown();
  }
  for (std::size_t begin = 0; begin < word.size();) {
    const Pieces& pieces = begin == 0 ? whole_ : continuing_;
    std::size_t end = std::min(word.size(), begin + longest_);
    while (end < word.size() && is_continuation_byte(word[end])) --end;
    auto found = pieces.end();
    while (end > begin) {
      found = pieces.find(word.substr(begin, end - begin));
      if (found != pieces.end()) break;
      do {
        --end;
      } while (end > begin && is_continuation_byte(word[end]));
    }
    if (found == pieces.end()) return unknown();
    tokens.push_back({found->second, begin, end});
    begin = end;
  }
}

}  // namespace graft
