// The table of row shapes and what reads it.
#include "trainer/contract/row_shape.h"

#include <algorithm>
#include <array>
#include <span>

namespace graft {
namespace {

// Pairs first: a row with sentence and question is a pair, not a sentence.
constexpr std::array<RowShape, 8> known_shapes{{{"text", "text_pair", "label"},
                                                {"sentence1", "sentence2", "label"},
                                                {"premise", "hypothesis", "label"},
                                                {"question1", "question2", "label"},
                                                {"question", "sentence", "label"},
                                                {"text", "", "label"},
                                                {"sentence", "", "label"},
                                                {"prompt", "", "completion"}}};

// What a kind learns, by the members that may hold it, the usual one first.
struct TargetMember {
  std::string_view name;
  TargetForm form;
};

std::span<const TargetMember> target_members(TaskKind kind) {
  static constexpr std::array<TargetMember, 4> any{{{"label", TargetForm::label},
                                                    {"labels", TargetForm::label_list},
                                                    {"score", TargetForm::score},
                                                    {"similarity_score", TargetForm::score}}};
  static constexpr std::array<TargetMember, 2> of_classification{
      {{"label", TargetForm::label}, {"labels", TargetForm::label_list}}};
  static constexpr std::array<TargetMember, 2> of_multi_label{
      {{"labels", TargetForm::label_list}, {"label", TargetForm::label_list}}};
  static constexpr std::array<TargetMember, 3> of_regression{
      {{"score", TargetForm::score},
       {"similarity_score", TargetForm::score},
       {"label", TargetForm::score}}};
  switch (kind) {
    case TaskKind::automatic:
      break;
    case TaskKind::classification:
      return of_classification;
    case TaskKind::multi_label:
      return of_multi_label;
    case TaskKind::regression:
      return of_regression;
  }
  return any;
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

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

std::optional<RowShape> find_shape(const HasMember& has, TaskKind kind) {
  const auto* shape =
      std::find_if(known_shapes.begin(), known_shapes.end(), [&](const RowShape& known) {
        return has(known.text) && (known.pair.empty() || has(known.pair));
      });
  if (shape == known_shapes.end()) return std::nullopt;
  if (shape->label == "completion") return *shape;
  const auto targets = target_members(kind);
  const auto target = std::find_if(targets.begin(), targets.end(),
                                   [&](const TargetMember& member) { return has(member.name); });
  const TargetMember& chosen = target == targets.end() ? targets.front() : *target;
  return RowShape{shape->text, shape->pair, chosen.name, chosen.form};
}

std::string_view missing_member(const HasMember& has, TaskKind kind) {
  if (const auto shape = find_shape(has, kind)) return has(shape->label) ? "" : shape->label;
  for (const RowShape& shape : known_shapes) {
    if (shape.pair.empty()) continue;
    if (has(shape.text)) return shape.pair;
    if (has(shape.pair)) return shape.text;
  }
  return "text";
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
