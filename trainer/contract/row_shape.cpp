// The table of row shapes and what reads it.
#include "trainer/contract/row_shape.h"

#include <algorithm>
#include <array>

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

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

}  // namespace

std::optional<DataFormat> data_format_of(std::string_view file_name) {
  const std::size_t dot = file_name.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const std::string suffix = lower_case(file_name.substr(dot));
  if (suffix == ".jsonl" || suffix == ".ndjson" || suffix == ".json") return DataFormat::jsonl;
  if (suffix == ".csv") return DataFormat::csv;
  if (suffix == ".tsv") return DataFormat::tsv;
  return std::nullopt;
}

std::optional<RowShape> find_shape(const HasMember& has) {
  const auto* shape =
      std::find_if(known_shapes.begin(), known_shapes.end(), [&](const RowShape& known) {
        return has(known.text) && (known.pair.empty() || has(known.pair));
      });
  if (shape == known_shapes.end()) return std::nullopt;
  return *shape;
}

std::string_view missing_member(const HasMember& has) {
  if (const auto shape = find_shape(has)) return has(shape->label) ? "" : shape->label;
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
  constexpr std::string_view white_space = " \t\r\n\v\f";
  const std::size_t begin = text.find_first_not_of(white_space);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(white_space) - begin + 1);
}

}  // namespace graft
