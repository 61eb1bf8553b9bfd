// See the header. The rules are those of Hugging Face's added tokens.
#include "trainer/text/added_tokens.h"

#include <algorithm>

#include "trainer/text/text_normalization.h"

namespace graft {
namespace {

std::size_t begin_of_code_point_before(std::string_view text, std::size_t position) {
  do {
    --position;
  } while (position > 0 && (static_cast<unsigned char>(text[position]) & 0xC0u) == 0x80);
  return position;
}

bool ends_with_word_character(std::string_view text) {
  if (text.empty()) return false;
  std::size_t position = begin_of_code_point_before(text, text.size());
  return is_word_character(next_code_point(text, position));
}

bool begins_with_word_character(std::string_view text) {
  if (text.empty()) return false;
  std::size_t position = 0;
  return is_word_character(next_code_point(text, position));
}

std::size_t begin_of_trailing_space(std::string_view text) {
  std::size_t end = text.size();
  while (end > 0) {
    const std::size_t begin = begin_of_code_point_before(text, end);
    std::size_t position = begin;
    if (!is_bert_whitespace(next_code_point(text, position))) break;
    end = begin;
  }
  return end;
}

std::size_t end_of_leading_space(std::string_view text) {
  std::size_t end = 0;
  while (end < text.size()) {
    std::size_t position = end;
    if (!is_bert_whitespace(next_code_point(text, position))) break;
    end = position;
  }
  return end;
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::erase_if(tokens_, [](const AddedToken& token) { return token.content.empty(); });
  std::stable_sort(tokens_.begin(), tokens_.end(), [](const AddedToken& a, const AddedToken& b) {
    return a.content.size() > b.content.size();
  });
  for (const AddedToken& token : tokens_) {
    begins_token_[static_cast<unsigned char>(token.content.front())] = true;
  }
}

const AddedToken* AddedTokenMatcher::longest_at(std::string_view text, std::size_t position) const {
  const std::string_view rest = text.substr(position);
  for (const AddedToken& token : tokens_) {
    if (rest.starts_with(token.content)) return &token;
  }
  return nullptr;
}

void AddedTokenMatcher::split(std::string_view text, std::vector<Stretch>& stretches) const {
  stretches.clear();
  std::size_t done = 0;
  for (std::size_t position = 0; position < text.size();) {
    const AddedToken* token = nullptr;
    if (begins_token_[static_cast<unsigned char>(text[position])]) {
      token = longest_at(text, position);
    }
    if (token == nullptr) {
      ++position;
      continue;
    }
    std::size_t begin = position;
    std::size_t end = position + token->content.size();
    position = end;
    if (token->single_word && (ends_with_word_character(text.substr(0, begin)) ||
                               begins_with_word_character(text.substr(end)))) {
      continue;
    }
    if (token->strips_left) begin = std::max(done, begin_of_trailing_space(text.substr(0, begin)));
    if (token->strips_right) end += end_of_leading_space(text.substr(end));
    if (done < begin) stretches.push_back({done, begin, std::nullopt});
    stretches.push_back({begin, end, token->id});
    done = end;
  }
  if (done < text.size()) stretches.push_back({done, text.size(), std::nullopt});
}

}  // namespace graft
