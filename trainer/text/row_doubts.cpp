// Lists of words and small scanners.
#include "trainer/text/row_doubts.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>

namespace graft {
namespace {

constexpr std::size_t most_word_bytes = 32;
constexpr long most_exponent = 1000;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

template <std::size_t count>
bool among(std::string_view word, const std::array<std::string_view, count>& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// What databases, statistics programs, spreadsheets and programming languages write where there is
// nothing, in lower case.
constexpr std::array<std::string_view, 39> missing_words{
    "nan",      "-nan",    "nat",     "null",   "nil",    "none",   "undefined", "missing",
    "na",       "n/a",     "n.a.",    "n.a",    "<na>",   "(na)",   "#na",       "#n/a",
    "#n/a n/a", "#null!",  "#value!", "#ref!",  "#name?", "#num!",  "#div/0!",   "(null)",
    "(none)",   "(blank)", "(empty)", "<null>", "<none>", "[null]", "\\n",       "-",
    "--",       "---",     "\u2013",  "\u2014", ".",      "?",      "1.#qnan"};

constexpr std::array<std::string_view, 34> entity_names{
    "amp",   "lt",    "gt",    "quot",  "apos",  "nbsp",  "hellip", "mdash", "ndash",
    "lsquo", "rsquo", "ldquo", "rdquo", "sbquo", "bdquo", "laquo",  "raquo", "bull",
    "copy",  "reg",   "trade", "euro",  "pound", "yen",   "cent",   "deg",   "middot",
    "times", "szlig", "shy",   "zwnj",  "zwj",   "aelig", "oslash"};
constexpr std::array<std::string_view, 8> accents{"acute", "grave", "uml",  "circ",
                                                  "tilde", "cedil", "ring", "caron"};

constexpr std::array<std::string_view, 33> tag_names{
    "a",  "b",      "blockquote", "body",   "br",    "code", "div", "em",    "font", "h1", "h2",
    "h3", "h4",     "head",       "hr",     "html",  "i",    "img", "li",    "ol",   "p",  "pre",
    "s",  "script", "span",       "strong", "style", "sub",  "sup", "table", "td",   "tr", "ul"};

// The entity that begins behind the ampersand, up to its semicolon.
bool is_entity(std::string_view rest) {
  rest = rest.substr(0, rest.substr(0, 10).find(';'));
  if (rest.starts_with('#')) {
    rest.remove_prefix(1);
    const bool hex = rest.starts_with('x') || rest.starts_with('X');
    if (hex) rest.remove_prefix(1);
    return !rest.empty() && rest.size() < 8 && std::all_of(rest.begin(), rest.end(), [&](char c) {
      return is_digit(c) || (hex && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')));
    });
  }
  return among(rest, entity_names) ||
         (rest.size() > 1 && is_letter(rest[0]) && among(rest.substr(1), accents));
}

bool is_tag(std::string_view rest) {
  if (rest.starts_with('/')) rest.remove_prefix(1);
  std::size_t length = 0;
  while (length < rest.size() && length < most_word_bytes &&
         (is_letter(rest[length]) || is_digit(rest[length])))
    ++length;
  if (!among(column_name(rest.substr(0, length)), tag_names)) return false;
  rest.remove_prefix(length);
  const std::size_t end = rest.substr(0, 512).find('>');
  return end != rest.npos && (end == 0 || rest[0] == ' ' || rest[0] == '/' || rest[0] == '\n');
}

}  // namespace

bool may_mark(std::string_view name) {
  return among(column_name(name),
               std::array<std::string_view, 3>{"answer", "was_cancelled", "status"});
}

RowMark mark_of(std::string_view name, std::string_view value) {
  if (name.size() > most_word_bytes || value.size() > most_word_bytes || !may_mark(name))
    return RowMark::none;
  const std::string member = column_name(name), word = column_name(value);
  if (member == "answer" && (word == "reject" || word == "ignore")) return RowMark::rejected;
  if (member == "was_cancelled" && word == "true") return RowMark::rejected;
  return member == "status" && word == "discarded" ? RowMark::perhaps_discarded : RowMark::none;
}

RowFault rejected_row(std::string_view name, std::string_view value) {
  const std::string member(trim(name));
  return {member,
          "\"" + member + "\" is " + std::string(trim(value)) +
              ", which says that the row is not to be used; remove such rows, or rename \"" +
              member + "\" where it means something else"};
}

bool is_missing_word(std::string_view text) {
  text = trim(text);
  return text.size() <= most_word_bytes && among(column_name(text), missing_words);
}

std::optional<std::string> number_of(std::string_view label) {
  const bool negative = label.starts_with('-');
  if (negative || label.starts_with('+')) label.remove_prefix(1);
  long exponent = 0;
  const std::size_t e = label.find_first_of("eE");
  if (e != label.npos) {
    std::string_view power = label.substr(e + 1);
    if (power.starts_with('+')) power.remove_prefix(1);
    const auto [end, error] = std::from_chars(power.data(), power.data() + power.size(), exponent);
    if (error != std::errc{} || end != power.data() + power.size() || exponent > most_exponent ||
        exponent < -most_exponent)
      return std::nullopt;
    label = label.substr(0, e);
  }
  std::string digits(label);
  const std::size_t point = label.find_first_of(".,");
  if (point != label.npos) {
    const std::size_t behind = label.size() - point - 1;
    if (label[point] == ',' && behind == 3) return std::nullopt;
    digits.erase(point, 1);
    exponent -= static_cast<long>(behind);
  }
  if (digits.empty() || !std::all_of(digits.begin(), digits.end(), is_digit)) return std::nullopt;
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
  while (digits.ends_with('0')) {
    digits.pop_back();
    ++exponent;
  }
  if (digits.empty()) return "0";
  return (negative ? "-" : "") + digits + "e" + std::to_string(exponent);
}

bool has_html_entity(std::string_view text) {
  for (std::size_t at = text.find('&'); at != text.npos; at = text.find('&', at + 1))
    if (is_entity(text.substr(at + 1))) return true;
  return false;
}

bool has_html_tag(std::string_view text) {
  for (std::size_t at = text.find('<'); at != text.npos; at = text.find('<', at + 1))
    if (is_tag(text.substr(at + 1))) return true;
  return false;
}

bool has_damage(std::string_view text) {
  return text.find("\xEF\xBF\xBD") != text.npos ||        // U+FFFD
         text.find("\xC3\x83\xC2") != text.npos ||        // Ã and a character up to U+00BF
         text.find("\xC3\xA2\xE2\x82\xAC") != text.npos;  // â€
}

}  // namespace graft
