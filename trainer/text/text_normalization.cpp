// See the header. Runs of ASCII go through a table; runs of other characters through ICU, because
// decomposition may reorder marks within such a run but never across an ASCII character.
#include "trainer/text/text_normalization.h"

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <optional>

namespace graft {
namespace {

constexpr char32_t replacement_character = 0xFFFD;

bool is_at_most(char32_t code_point, unsigned major) {
  UVersionInfo age;
  u_charAge(static_cast<UChar32>(code_point), age);
  return age[0] != 0 && (age[0] < major || (age[0] == major && age[1] == 0));
}

std::uint32_t category_bit(char32_t code_point) {
  return U_MASK(static_cast<unsigned>(u_charType(static_cast<UChar32>(code_point))));
}

// Cc, Cf and Co, the latter two as of Unicode 8.
bool is_control(char32_t code_point) {
  if (code_point == '\t' || code_point == '\n' || code_point == '\r') return false;
  const std::uint32_t bit = category_bit(code_point);
  if (bit & (U_GC_CC_MASK | U_GC_CO_MASK)) return true;
  return (bit & U_GC_CF_MASK) && is_at_most(code_point, 8);
}

bool is_nonspacing_mark(char32_t code_point) {
  switch (code_point) {  // category changed after Unicode 8
    case 0x1734:
      return true;
    case 0x1885:
    case 0x1886:
    case 0xA9BD:
    case 0x111C9:
      return false;
    default:
      return (category_bit(code_point) & U_GC_MN_MASK) && is_at_most(code_point, 8);
  }
}

// The blocks BERT calls Chinese; the gap at U+2B820 is BERT's own.
bool is_chinese(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B81F) ||
         (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0x2F800 && c <= 0x2FA1F);
}

// Lowercase pairs of Unicode 16 and 17, which ICU before 76 and 78 does not know.
char32_t lowercase_beyond_icu(char32_t c) {
  if (c >= 0x10D50 && c <= 0x10D65) return c + 0x20;
  if (c >= 0x16EA0 && c <= 0x16EB8) return c + 0x1B;
  switch (c) {
    case 0x1C89:
    case 0xA7CC:
    case 0xA7CE:
    case 0xA7D2:
    case 0xA7D4:
    case 0xA7DA:
      return c + 1;
    case 0xA7CB:
      return 0x264;
    case 0xA7DC:
      return 0x19B;
    default:
      return c;
  }
}

char32_t simple_lowercase(char32_t c) {
  const auto lower = static_cast<char32_t>(u_tolower(static_cast<UChar32>(c)));
  return lower == c ? lowercase_beyond_icu(c) : lower;
}

const icu::Normalizer2& canonical_decomposition() {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* normalizer = icu::Normalizer2::getNFDInstance(status);
  if (U_FAILURE(status)) throw std::runtime_error("ICU has no data for NFD");
  return *normalizer;
}

// Length of the valid sequence at `position` and its code point, else how many bytes to replace.
struct Decoded {
  char32_t code_point;
  std::size_t length;
};

Decoded decode_multibyte(std::string_view text, std::size_t position) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return position + i < text.size() ? static_cast<unsigned char>(text[position + i]) : 0u;
  };
  const unsigned lead = byte(0);
  std::size_t length = 0;
  unsigned low = 0x80, high = 0xBF;  // range of the second byte
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return {replacement_character, 1};
  }
  char32_t code_point = lead & (0xFFu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if (byte(i) < low || byte(i) > high) return {replacement_character, i};
    code_point = (code_point << 6) | (byte(i) & 0x3Fu);
    low = 0x80;
    high = 0xBF;
  }
  return {code_point, length};
}

}  // namespace

char32_t next_code_point(std::string_view text, std::size_t& position) {
  const auto lead = static_cast<unsigned char>(text[position]);
  if (lead < 0x80) {
    ++position;
    return lead;
  }
  const Decoded decoded = decode_multibyte(text, position);
  position += decoded.length;
  return decoded.code_point;
}

std::size_t utf8_length(char32_t c) {
  return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

void append_utf8(std::string& text, char32_t c) {
  const auto put = [&](char32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | (c >> 6));
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3F));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

bool is_bert_whitespace(char32_t code_point) {
  return u_isUWhiteSpace(static_cast<UChar32>(code_point));
}

bool is_bert_punctuation(char32_t c) {
  if (c < 0x80) {
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
           (c >= '{' && c <= '~');
  }
  if (c == 0x166D || c == 0x111C9) return true;  // category changed after Unicode 8
  return (category_bit(c) & U_GC_P_MASK) && is_at_most(c, 8);
}

bool is_word_character(char32_t code_point) {
  const auto c = static_cast<UChar32>(code_point);
  return u_hasBinaryProperty(c, UCHAR_ALPHABETIC) || u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL) ||
         (category_bit(code_point) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK));
}

void NormalizedText::clear() {
  text.clear();
  begins.clear();
  ends.clear();
}

void NormalizedText::append(char32_t code_point, std::uint32_t begin, std::uint32_t end) {
  append_utf8(text, code_point);
  begins.resize(text.size(), begin);
  ends.resize(text.size(), end);
}

TextNormalizer::TextNormalizer(const NormalizationRules& rules) : rules_(rules) {
  for (unsigned c = 0; c < 128; ++c) {
    auto becomes = static_cast<char>(c);
    if (rules.clean_text) {
      if (is_control(c)) becomes = dropped;
      if (c == '\t' || c == '\n' || c == '\r') becomes = ' ';
    }
    if (rules.lowercase && c >= 'A' && c <= 'Z') becomes = static_cast<char>(c - 'A' + 'a');
    ascii_[c] = becomes;
  }
}

std::uint32_t TextNormalizer::normalize(std::string_view raw, std::uint32_t first_code_point,
                                        NormalizedText& normalized) const {
  normalized.clear();
  normalized.text.reserve(raw.size());
  normalized.begins.reserve(raw.size());
  normalized.ends.reserve(raw.size());
  std::uint32_t index = first_code_point;
  std::vector<Character> pending;  // a run of characters beyond ASCII
  for (std::size_t position = 0; position < raw.size(); ++index) {
    const char32_t c = next_code_point(raw, position);
    if (c >= 0x80) {
      append_cleaned(c, index, pending);
      continue;
    }
    const char becomes = ascii_[c];
    if (becomes == dropped) continue;
    if (!pending.empty()) finish(pending, normalized);
    normalized.text.push_back(becomes);
    normalized.begins.push_back(index);
    normalized.ends.push_back(index + 1);
  }
  if (!pending.empty()) finish(pending, normalized);
  return index;
}

// Clean-up and spaces round ideographs.
void TextNormalizer::append_cleaned(char32_t c, std::uint32_t index,
                                    std::vector<Character>& characters) const {
  if (rules_.clean_text) {
    if (c == replacement_character || is_control(c)) return;
    if (is_bert_whitespace(c)) c = ' ';
  }
  const auto append = [&](char32_t code_point) {
    characters.push_back({code_point, index, index + 1, 0, false});
  };
  if (rules_.handle_chinese_chars && is_chinese(c)) {
    append(' ');
    append(c);
    append(' ');
  } else {
    append(c);
  }
}

// Decomposition, marks, lowercase; empties `characters`.
void TextNormalizer::finish(std::vector<Character>& characters, NormalizedText& normalized) const {
  if (rules_.strip_accents) {
    decompose(characters);
    std::erase_if(characters, [](const Character& character) {
      return is_nonspacing_mark(character.code_point);
    });
  }
  for (const Character& character : characters) {
    const auto append = [&](char32_t code_point) {
      normalized.append(code_point, character.begin, character.end);
    };
    if (!rules_.lowercase) {
      append(character.code_point);
    } else if (character.code_point == 0x130) {  // the one letter whose lowercase is two
      append('i');
      append(0x307);
    } else {
      append(simple_lowercase(character.code_point));
    }
  }
  characters.clear();
}

// NFD. Origins are given by position after the reordering, as the reference library does: a
// character takes the next raw one, an extra one shares its predecessor's.
void TextNormalizer::decompose(std::vector<Character>& characters) {
  const icu::Normalizer2& nfd = canonical_decomposition();
  std::vector<Character> decomposed;
  decomposed.reserve(characters.size());
  icu::UnicodeString parts;
  for (const Character& character : characters) {
    const auto c = static_cast<UChar32>(character.code_point);
    const bool known = is_at_most(character.code_point, 9);
    if (!known || !nfd.getDecomposition(c, parts)) {
      Character same = character;
      same.combining_class = known ? nfd.getCombiningClass(c) : std::uint8_t{0};
      decomposed.push_back(same);
      continue;
    }
    for (std::int32_t i = 0; i < parts.length(); i = parts.moveIndex32(i, 1)) {
      const UChar32 part = parts.char32At(i);
      decomposed.push_back({static_cast<char32_t>(part), 0, 0, nfd.getCombiningClass(part), i > 0});
    }
  }
  const auto is_mark = [](const Character& character) { return character.combining_class != 0; };
  for (auto mark = decomposed.begin(); mark != decomposed.end();) {
    mark = std::find_if(mark, decomposed.end(), is_mark);
    const auto end = std::find_if_not(mark, decomposed.end(), is_mark);
    std::stable_sort(mark, end, [](const Character& a, const Character& b) {
      return a.combining_class < b.combining_class;
    });
    mark = end;
  }
  std::size_t raw = 0;
  for (Character& character : decomposed) {
    if (!character.extra) ++raw;
    const Character& origin = characters[raw == 0 ? 0 : raw - 1];
    character.begin = origin.begin;
    character.end = origin.end;
  }
  characters = std::move(decomposed);
}

}  // namespace graft
