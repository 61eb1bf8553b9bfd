// BERT's text normalization exactly as Hugging Face's `tokenizers` does it: clean-up, spaces round
// CJK ideographs, NFD without nonspacing marks, lowercase; and where each character came from.
// That library classes characters by Unicode 8 and decomposes by Unicode 9, so characters that ICU
// knows from later versions are taken as that library takes them: unclassed, undecomposed.
// Const after construction: any thread may call.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace graft {

// Reads one code point at `position` and moves past it; a maximal run of bytes that begins no
// valid UTF-8 sequence reads as U+FFFD. position < text.size().
char32_t next_code_point(std::string_view text, std::size_t& position);
void append_utf8(std::string& text, char32_t code_point);
std::size_t utf8_length(char32_t code_point);  // bytes, 1 to 4

bool is_bert_whitespace(char32_t code_point);   // Unicode White_Space
bool is_bert_punctuation(char32_t code_point);  // ASCII symbols and Unicode 8 P*
bool is_word_character(char32_t code_point);    // \w of a Unicode regular expression

// Normalized UTF-8 and, for each byte, the code points [begin, end) of the raw text behind it.
struct NormalizedText {
  std::string text;
  std::vector<std::uint32_t> begins;  // (bytes of text)
  std::vector<std::uint32_t> ends;    // (bytes of text)

  void clear();
  void append(char32_t code_point, std::uint32_t begin, std::uint32_t end);
};

struct NormalizationRules {
  bool clean_text = true;
  bool handle_chinese_chars = true;
  bool strip_accents = true;
  bool lowercase = true;
};

class TextNormalizer {
 public:
  explicit TextNormalizer(const NormalizationRules& rules);

  // Replaces `normalized`. `raw` begins at code point first_code_point of the text that offsets
  // count in. Returns the code point after it.
  std::uint32_t normalize(std::string_view raw, std::uint32_t first_code_point,
                          NormalizedText& normalized) const;

 private:
  // A character on its way; `extra` ones came out of a decomposition behind its first character.
  struct Character {
    char32_t code_point;
    std::uint32_t begin, end;
    std::uint8_t combining_class;
    bool extra;
  };
  static constexpr char dropped = '\xff';

  void append_cleaned(char32_t code_point, std::uint32_t index,
                      std::vector<Character>& characters) const;
  void finish(std::vector<Character>& characters, NormalizedText& normalized) const;
  static void decompose(std::vector<Character>& characters);

  NormalizationRules rules_;
  std::array<char, 128> ascii_;  // what an ASCII character becomes, or `dropped`
};

}  // namespace graft
