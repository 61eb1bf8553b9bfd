// The table of row shapes and what reads it.
#include "trainer/contract/row_shape.h"

#include <algorithm>
#include <array>

#include "trainer/contract/kind_table.h"
#include "trainer/durable/plain_text.h"

namespace graft {
namespace {

struct TextMembers {
  std::string_view text, pair;
  std::string_view label = {};  // the only one; empty: by the kind
};

// Pairs first: a row with sentence and question is a pair, not a sentence.
constexpr std::array<TextMembers, 10> known_texts{{{"text", "text_pair"},
                                                   {"sentence1", "sentence2"},
                                                   {"premise", "hypothesis"},
                                                   {"question1", "question2"},
                                                   {"question", "sentence"},
                                                   {"text", ""},
                                                   {"text_a", "text_b"},
                                                   {"sentence", ""},
                                                   {"prompt", "", "completion"},
                                                   {"content", ""}}};

// Bytes of the blank that the text begins with; 0: it begins with none.
std::size_t blank_at(std::string_view text) {
  if (text.empty()) return 0;
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  if (byte(0) < 0x80) return text[0] == ' ' || (text[0] >= '\t' && text[0] <= '\r') ? 1 : 0;
  if (byte(0) < 0xE0) {
    const unsigned point = (byte(0) & 0x1FU) << 6 | (byte(1) & 0x3FU);
    return point == 0x85 || point == 0xA0 || point == 0xAD || point == 0x61C ? 2 : 0;
  }
  if (byte(0) >= 0xF0) return 0;
  const unsigned point = (byte(0) & 0x0FU) << 12 | (byte(1) & 0x3FU) << 6 | (byte(2) & 0x3FU);
  const bool blank = point == 0x1680 || point == 0x180E || (point >= 0x2000 && point <= 0x200F) ||
                     (point >= 0x2028 && point <= 0x202F) || (point >= 0x205F && point <= 0x2064) ||
                     (point >= 0x2066 && point <= 0x206F) || point == 0x3000 || point == 0xFEFF;
  return blank ? std::min<std::size_t>(3, text.size()) : 0;
}

}  // namespace

std::optional<DataFormat> data_format_of(std::string_view file_name) {
  if (file_name.size() > 3 && lower_case(file_name.substr(file_name.size() - 3)) == ".gz")
    file_name.remove_suffix(3);
  const std::size_t dot = file_name.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const std::string suffix = lower_case(file_name.substr(dot));
  if (suffix == ".jsonl" || suffix == ".ndjson" || suffix == ".json") return DataFormat::jsonl;
  if (suffix == ".csv") return DataFormat::csv;
  if (suffix == ".tsv") return DataFormat::tsv;
  return std::nullopt;
}

std::vector<std::string_view> labels_of_set(std::string_view joined) {
  std::vector<std::string_view> labels;
  while (!joined.empty()) {
    const std::size_t end = std::min(joined.find(label_separator), joined.size());
    labels.push_back(joined.substr(0, end));
    joined.remove_prefix(std::min(end + 1, joined.size()));
  }
  return labels;
}

std::optional<RowShape> find_shape(const HasMember& has, const RowWish& wish) {
  RowShape shape;
  if (!wish.columns.text.empty()) {
    shape.text = wish.columns.text;
    shape.pair = wish.columns.text_pair;
  } else {
    const auto* known = std::ranges::find_if(known_texts, [&](const TextMembers& members) {
      return has(members.text) && (members.pair.empty() || has(members.pair));
    });
    if (known == known_texts.end()) return std::nullopt;
    shape.text = known->text;
    shape.pair = known->pair;
    shape.label = known->label;
  }
  shape.form = row_of(wish.kind).form;
  if (!wish.columns.label.empty()) shape.label = wish.columns.label;
  if (!shape.label.empty()) return shape;
  const auto targets = row_of(wish.kind).members;
  const auto found =
      std::ranges::find_if(targets, [&](const TargetMember& member) { return has(member.name); });
  const TargetMember& chosen = found == targets.end() ? targets.front() : *found;
  shape.label = chosen.name;
  shape.form = chosen.form;
  return shape;
}

bool may_be_target(std::string_view name) {
  return std::ranges::any_of(row_of(TaskKind::automatic).members,
                             [&](const TargetMember& member) { return member.name == name; });
}

std::string missing_member(const HasMember& has, const RowWish& wish) {
  if (const auto shape = find_shape(has, wish)) {
    for (const std::string& name : {shape->text, shape->pair, shape->label})
      if (!name.empty() && !has(name)) return name;
    return "";
  }
  for (const TextMembers& members : known_texts) {
    if (members.pair.empty()) continue;
    if (has(members.text)) return std::string(members.pair);
    if (has(members.pair)) return std::string(members.text);
  }
  return "text";
}

std::vector<std::string_view> rivals_of(const RowShape& shape, const HasMember& has,
                                        const RowWish& wish) {
  std::vector<std::string_view> rivals;
  const bool fixed = shape.label == "completion" && shape.text == "prompt";
  if (fixed || !wish.columns.label.empty()) return rivals;
  for (const TargetMember& member : row_of(wish.kind).members) {
    if (member.usual && shape.label == member.name) return {};
    if (has(member.name) && shape.label != member.name) rivals.push_back(member.name);
  }
  return rivals;
}

std::string rivals_in_words(const RowShape& shape, std::span<const std::string_view> rivals) {
  std::string list = "\"" + shape.label + "\"";
  for (std::size_t i = 0; i < rivals.size(); ++i)
    list += (i + 1 < rivals.size() ? ", \"" : " and \"") + std::string(rivals[i]) + "\"";
  return list + " could each hold what is to be learned; say which with the job's columns.label";
}

std::string columns_in_words(const RowShape& shape) {
  const bool plain = shape.text == "text" && (shape.pair.empty() || shape.pair == "text_pair") &&
                     shape.label == "label";
  if (plain) return {};
  const auto quoted = [](const std::string& name) {
    return "\"" + std::string(cut_text(name, 64)) + "\"";
  };
  return "text from " + quoted(shape.text) +
         (shape.pair.empty() ? "" : ", its pair from " + quoted(shape.pair)) +
         ", what is learned from " + quoted(shape.label);
}

std::string column_name(std::string_view field) {
  return lower_case(trim(field));
}

std::string_view trim(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = blank_at(text);
    if (length == 0) break;
    text.remove_prefix(length);
  }
  while (!text.empty()) {
    std::size_t begin = text.size() - 1;
    while (begin > 0 && text.size() - begin < 3 && (text[begin] & 0xC0) == 0x80) --begin;
    if (blank_at(text.substr(begin)) != text.size() - begin) break;
    text.remove_suffix(text.size() - begin);
  }
  return text;
}

bool is_invisible(char32_t c) {
  const auto within = [c](char32_t first, char32_t last) { return c >= first && c <= last; };
  return within(0x80, 0x9F) || c == 0xAD || c == 0x34F || c == 0x61C || c == 0x180E ||
         c == 0x200B || c == 0x200E || c == 0x200F || within(0x2028, 0x202E) ||
         within(0x2060, 0x206F) || c == 0xFEFF || within(0xFFF9, 0xFFFB) ||
         within(0xE0000, 0xE007F);
}

bool changes_direction(char32_t c) {
  return c == 0x61C || c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) ||
         (c >= 0x2066 && c <= 0x2069);
}

std::string_view cut_text(std::string_view text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (text[bytes] & 0xC0) == 0x80) --bytes;
  return text.substr(0, bytes);
}

}  // namespace graft
