// The table of row shapes.
#include "trainer/contract/row_shape.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

namespace graft {
namespace {

HasMember members(std::vector<std::string_view> names) {
  return [names = std::move(names)](std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
}

TEST_CASE("a pair of texts is found before the single text that is part of it") {
  const RowWish any;
  CHECK(find_shape(members({"text", "text_pair"}), any)->pair == "text_pair");
  CHECK(find_shape(members({"sentence", "question"}), any)->text == "question");
  CHECK(find_shape(members({"sentence"}), any)->pair.empty());
  CHECK(find_shape(members({"prompt"}), any)->label == "completion");
  CHECK_FALSE(find_shape(members({"label", "premise"}), any).has_value());
}

TEST_CASE("what a row lacks is named by the shape it comes nearest to") {
  const RowWish any;
  CHECK(missing_member(members({"text", "label"}), any).empty());
  CHECK(missing_member(members({"text"}), any) == "label");
  CHECK(missing_member(members({"prompt", "label"}), any) == "completion");
  CHECK(missing_member(members({"premise", "label"}), any) == "hypothesis");
  CHECK(missing_member(members({"hypothesis", "label"}), any) == "premise");
  CHECK(missing_member(members({"label"}), any) == "text");
}

TEST_CASE("a file's format is its suffix in any case, a column's name its trimmed lower case") {
  CHECK(data_format_of("a.b.JSONL") == DataFormat::jsonl);
  CHECK(data_format_of("a.json") == DataFormat::jsonl);
  CHECK(data_format_of("a.csv") == DataFormat::csv);
  CHECK(data_format_of(".Tsv") == DataFormat::tsv);
  CHECK_FALSE(data_format_of("csv").has_value());
  CHECK(data_format_of("a.csv.GZ") == DataFormat::csv);
  CHECK_FALSE(data_format_of("a.gz").has_value());
  CHECK(column_name(" Text_Pair\t") == "text_pair");
}

TEST_CASE("blanks of every kind are taken off both ends, and none from within") {
  CHECK(trim(" \t\r\n\v\f a b \n") == "a b");
  for (const std::string blank :
       {"\u00A0", "\u1680", "\u2003", "\u200B", "\u200D", "\u202F", "\u2060", "\u3000", "\uFEFF"}) {
    CHECK(trim(blank + "é" + blank + "ß" + blank) == "é" + blank + "ß");
    CHECK(trim(blank + blank).empty());
  }
  CHECK(trim("日本") == "日本");
  CHECK(trim("à") == "à");  // its last byte is that of a no-break space
  CHECK(trim("").empty());
  CHECK(cut_text("aéb", 2) == "a");
}

}  // namespace
}  // namespace graft
