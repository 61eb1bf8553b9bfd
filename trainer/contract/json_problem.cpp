// Kinds of faults by what the library says, words by what stands at the byte.
#include "trainer/contract/json_problem.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace graft {
namespace {

constexpr std::size_t most_word_bytes = 32;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_';
}

// The word that holds the byte, or ends right before it; empty: none.
std::string_view word_at(std::string_view text, std::size_t at) {
  if (!is_word(text[at])) {
    if (at == 0 || text[at] == '"' || !is_word(text[at - 1])) return {};
    --at;
  }
  std::size_t begin = at, end = at;
  while (begin > 0 && is_word(text[begin - 1])) --begin;
  while (end < text.size() && is_word(text[end])) ++end;
  return text.substr(begin, std::min(end - begin, most_word_bytes));
}

char last_before(std::string_view text, std::size_t at) {
  const std::size_t found = text.substr(0, at).find_last_not_of(" \t\r\n");
  return found == text.npos ? '\0' : text[found];
}

std::string control_name(char c) {
  std::array<char, 16> name{};
  std::snprintf(name.data(), name.size(), "U+%04X",
                static_cast<unsigned>(static_cast<unsigned char>(c)));
  return name.data();
}

std::string of_word(std::string_view word) {
  const std::string quoted = "\"" + std::string(word) + "\"";
  for (const std::string_view missing : {"NaN", "nan", "NAN", "Infinity", "inf"})
    if (word == missing) return quoted + " is no value of JSON; write a value or null in its place";
  for (const std::string_view of_python : {"None", "True", "False"})
    if (word == of_python) return quoted + " is not JSON, which writes null, true and false";
  if (word.size() > 1 && word[0] == '0' && std::all_of(word.begin(), word.end(), is_digit))
    return "a number does not begin with a zero; write it without the zero, or in quotes as " +
           quoted;
  if (std::all_of(word.begin(), word.end(), is_digit))
    return "the number " + std::string(word) + " is not expected there";
  return "the word " + quoted + " stands there without quotes";
}

std::string of_character(std::string_view text, std::size_t at) {
  const char c = text[at];
  if ((c == '}' || c == ']') && last_before(text, at) == ',')
    return "a comma stands before the closing bracket; remove it";
  if (c == '\'') return "strings stand in double quotes, not in single ones";
  if (c == '"') return "a comma or colon is missing before the string that ends there";
  if (c > 0x20 && c < 0x7F) return std::string("\"") + c + "\" is not expected there";
  return "the character is not expected there";
}

}  // namespace

std::string json_problem(std::string_view text, const JsonComplaint& complaint) {
  const auto says = [&](std::string_view part) {
    return complaint.sentence.find(part) != std::string_view::npos;
  };
  if (complaint.number_too_large) return "the number is too large";
  if (says("missing closing quote")) return "a string is never closed";
  if (complaint.byte == 0 || complaint.byte > text.size())
    return "the text ends before its last bracket is closed";
  const std::size_t at = complaint.byte - 1;
  if (complaint.value_complete)
    return "more follows behind the end of the " +
           std::string(text.find('{') < at ? "object" : "value");
  if (says("ill-formed UTF-8")) return "the bytes there are not UTF-8";
  if (says("control character"))
    return "the control character " + control_name(text[at]) +
           " stands in a string; it is written \\" + (text[at] == '\t' ? "t" : "n or \\u00XX");
  if (says("after backslash")) return "a backslash in a string is written twice, \\\\";
  if (says("followed by 4 hex")) return "\\u needs four hexadecimal digits behind it";
  if (says("surrogate")) return "half a character stands there; \\uD800 to \\uDFFF come in pairs";
  if (const std::string_view word = word_at(text, at); !word.empty()) return of_word(word);
  return of_character(text, at);
}

}  // namespace graft
