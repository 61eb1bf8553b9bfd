// What happens to files by accident, and what becomes of each: the tables of docs/data.md, line by
// line. Rows and labels as they are read, what is told before training, or the refusal's words.
#include <doctest/doctest.h>
#include <zlib.h>

#include <string>
#include <vector>

#include "tests/trainer/text/file_outcome.h"

namespace graft {
namespace {

using namespace std::string_literals;
std::string utf16(const std::string& ascii, bool big) {
  std::string bytes = big ? "\xFE\xFF" : "\xFF\xFE";
  for (const char c : ascii) bytes += big ? "\0"s + c : c + "\0"s;
  return bytes;
}

std::string gzip(const std::string& text) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string packed(deflateBound(&stream, text.size()) + 64, '\0');
  std::string input = text;
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  packed.resize(packed.size() - stream.avail_out);
  deflateEnd(&stream);
  return packed;
}

const Strings xy{"x", "y"};
const std::string nbsp = "\u00A0";

// ---- Read, or read and told -------------------------------------------------------------------

struct Read {
  const char* what;
  std::string name, bytes;
  std::size_t rows;
  Strings labels;
  std::string told;  // a part of what is told; empty: nothing to look for
};

const std::vector<Read>& read_files() {
  static const std::vector<Read> files{
      {"blanks around labels, JSONL",
       "a.jsonl",
       json_rows({"good", "good ", " good", "bad"}),
       4,
       {"bad", "good"},
       "info a.jsonl: Labels from whose ends blanks were removed: 2, the first in line 2."},
      {"blanks around labels, CSV",
       "a.csv",
       csv_rows({"good", "good ", " good", "bad"}),
       4,
       {"bad", "good"},
       "info a.csv: Labels from whose ends blanks were removed: 2, the first in line 3."},
      {"blanks around labels, TSV",
       "a.tsv",
       csv_rows({"good", "good ", " good", "bad"}, '\t'),
       4,
       {"bad", "good"},
       "removed: 2, the first in line 3."},
      {"blanks around labels, messages", "a.jsonl",
       R"({"messages": [{"role": "user", "content": "t"}, {"role": "assistant", "content": "x "}]})"
       "\n"
       R"({"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "y"}]})",
       2, xy, "removed: 1, the first in line 1."},
      {"blanks around labels, completion", "a.jsonl",
       "{\"prompt\": \"t\", \"completion\": \" x\"}\n{\"prompt\": \"u\", \"completion\": \"y\"}", 2,
       xy, "removed: 1, the first in line 1."},
      {"tab, no-break and zero-width blanks, JSONL", "a.jsonl",
       json_rows({"x\\t", nbsp + "x", "\u200Bx\uFEFF", "y"}), 4, xy, "removed: 3"},
      {"tab, no-break and zero-width blanks, CSV", "a.csv",
       csv_rows({"x\t", nbsp + "x", "\u200Bx\uFEFF", "y"}), 4, xy, "removed: 3"},
      {"blanks inside",
       "a.csv",
       csv_rows({"very good", "very  good", "bad"}),
       3,
       {"bad", "very  good", "very good"},
       "two labels look alike: \"very  good\" (1 row), \"very good\" (1 row)"},
      {"composed and decomposed",
       "a.jsonl",
       json_rows({"Z\u00FCrich", "Zu\u0308rich"}),
       2,
       {"Zu\u0308rich", "Z\u00FCrich"},
       "two labels look alike"},
      {"case",
       "a.csv",
       csv_rows({"Red", "red", "red"}),
       3,
       {"Red", "red"},
       "warn a.csv: two labels look alike: \"Red\" (1 row), \"red\" (2 rows); they are kept as "
       "classes of their own."},
      {"full width", "a.csv", csv_rows({"\uFF32ed", "red"}), 2, {"red", "\uFF32ed"}, "look alike"},
      {"curly quotes",
       "a.csv",
       csv_rows({"don\u2019t", "don't"}),
       2,
       {"don't", "don\u2019t"},
       "look alike"},
      {"dashes", "a.csv", csv_rows({"a\u2010b", "a-b"}), 2, {"a-b", "a\u2010b"}, "look alike"},
      {"another alphabet",
       "a.csv",
       csv_rows({"r\u0435d", "red"}),
       2,
       {"red", "r\u0435d"},
       "look alike"},
      {"semicolons", "a.csv", csv_rows(xy, ';'), 2, xy,
       "info a.csv: Columns were read as separated by semicolons."},
      {"semicolons and decimal commas", "a.csv", "text;score;label\na;0,5;x\nb;1,5;y\n", 2, xy,
       "semicolons"},
      {"sep=;", "a.csv", "sep=;\n" + csv_rows(xy, ';'), 2, xy,
       "semicolons, as the line sep= says."},
      {"sep=, in quotes and CRLF", "a.csv", "\"sep=,\"\r\n" + csv_rows(xy), 2, xy, ""},
      {"tabs in a .csv", "a.csv", csv_rows(xy, '\t'), 2, xy, "separated by tabs."},
      {"commas in a .tsv", "a.tsv", csv_rows(xy), 2, xy, "separated by commas."},
      {"bars", "a.csv", csv_rows(xy, '|'), 2, xy, "separated by bars (|)."},
      {"byte order mark", "a.csv", "\xEF\xBB\xBF" + csv_rows(xy), 2, xy, ""},
      {"UTF-16, little end first", "a.csv", utf16(csv_rows(xy), false), 2, xy,
       "The file is UTF-16 and was read as such."},
      {"UTF-16, big end first", "a.jsonl", utf16(json_rows(xy), true), 2, xy, "UTF-16"},
      {"UTF-16 with tabs, as spreadsheets export", "a.csv", utf16(csv_rows(xy, '\t'), false), 2, xy,
       "separated by tabs"},
      {"gzip by name", "a.csv.gz", gzip(csv_rows(xy)), 2, xy, "The file is gzip and was unpacked."},
      {"gzip by bytes", "a.jsonl", gzip(json_rows(xy)), 2, xy, "unpacked"},
      {"two gzip files in one",
       "a.jsonl",
       gzip(json_rows(xy)) + gzip(json_rows({"z"})),
       3,
       {"x", "y", "z"},
       "unpacked"},
      {"gzip of UTF-16", "a.csv", gzip(utf16(csv_rows(xy), false)), 2, xy, "UTF-16"},
      {"CSV quotation that may swallow a row", "a.csv",
       "text,label\n\"she waited all day,x\nand nobody called\",y\nc,x\n", 2, xy,
       "warn a.csv: Rows read as one though each of their lines looks like a row"},
      {"LF inside quotes", "a.csv", "text,label\n\"one\ntwo\",x\nc,y\n", 2, xy,
       "info a.csv: Rows with a quoted field of several lines: 1, the first in line 2."},
      {"LF inside quotes, TSV", "a.tsv", "text\tlabel\n\"one\ntwo\"\tx\nc\ty\n", 2, xy,
       "several lines: 1"},
      {"quotes inside a field", "a.csv", "text,label\nsay \"hi\" now,x\nc,y\n", 2, xy, ""},
      {"rows twice", "a.csv", "text,label\na,x\nb,y\na,x\n a,x\n", 4, xy,
       "warn a.csv: Rows that repeat an earlier row, text and label: 2, the first in line 4."},
      {"one text, two labels", "a.csv", "text,label\na,x\nb,y\na,y\n", 3, xy,
       "warn a.csv: Rows that have the text of an earlier row under another label: 1, the first in "
       "line "
       "4."},
      {"joiners within a label",
       "a.csv",
       csv_rows({"می\u200Cخواهم", "y"}),
       2,
       {"y", "می\u200Cخواهم"},
       ""}};
  return files;
}

TEST_CASE("accidents that are read, with what is told of them") {
  for (const Read& file : read_files()) {
    CAPTURE(std::string(file.what));
    const Outcome outcome = outcome_of(file.name, file.bytes);
    CHECK(outcome.refusal == "");
    CHECK(outcome.rows == file.rows);
    CHECK(outcome.labels == file.labels);
    CHECK_MESSAGE(mentions(outcome.told, file.told), outcome.told);
  }
}

// ---- Refused --------------------------------------------------------------------------------

struct Refused {
  const char* what;
  std::string name, bytes;
  Strings words;
};

std::string third_line(const std::string& row) {
  return json_rows(xy) + row + "\n";
}

const std::vector<Refused>& refused_files() {
  static const std::vector<Refused> files{
      {"label twice",
       "a.jsonl",
       third_line(R"({"text": "a", "label": "x", "label": "y"})"),
       {"a.jsonl line 3: ", "\"label\" stands twice"}},
      {"text twice",
       "a.jsonl",
       third_line(R"({"text": "a", "text": "b", "label": "y"})"),
       {"line 3", "\"text\" stands twice"}},
      {"a member of a message twice",
       "a.jsonl",
       R"({"messages": [{"role": "user", "content": "t", "content": "u"}, {"role": "assistant", "content": "x"}]})",
       {"line 1", "\"content\" stands twice"}},
      {"Label and label",
       "a.jsonl",
       third_line(R"({"text": "a", "label": "x", "Label": "y"})"),
       {"line 3", "\"label\" and \"Label\" differ by case or blanks only"}},
      {"label and label with a blank",
       "a.jsonl",
       third_line(R"({"text": "a", "label": "x", "label ": "y"})"),
       {"line 3", "differ by case or blanks only"}},
      {"column twice", "a.csv", "text,label,label\na,x,y\n", {"line 1", "column \"label\" twice"}},
      {"Label and label columns",
       "a.csv",
       "text,label,Label \na,x,y\n",
       {"line 1", "column \"label\" twice"}},
      {"NUL in a text, escaped",
       "a.jsonl",
       third_line(R"({"text": "a\u0000b", "label": "x"})"),
       {"line 3", "\"text\" holds NUL"}},
      {"NUL in a label, escaped",
       "a.jsonl",
       third_line(R"({"text": "a", "label": "x\u0000"})"),
       {"line 3", "\"label\"", "control character"}},
      {"NUL in a CSV", "a.csv", "text,label\na,x\0\n"s, {"line 2", "NUL"}},
      {"invisible within a label", "a.csv", csv_rows({"x", "p\u200Bos"}), {"line 3", "U+200B"}},
      {"direction within a label", "a.jsonl", json_rows({"x", "a\u202Eb"}), {"line 2", "U+202E"}},
      {"label of blanks",
       "a.jsonl",
       json_rows({"x", nbsp + "\u200B"}),
       {"line 2", "\"label\" is empty"}},
      {"text of blanks",
       "a.csv",
       "text,label\n" + nbsp + "\u3000,x\n",
       {"line 2", "\"text\" is empty"}},
      {"TSV quotation that swallows a row",
       "a.tsv",
       "text\tlabel\na\tx\nb\ty\n\"she waited all day\tx\nand nobody called\"\ty\nc\tx\n",
       {"a.tsv line 4: a quotation runs on to line 5", "write each twice"}},
      {"unclosed quotation, TSV",
       "a.tsv",
       "text\tlabel\n\"a\tx\nb\ty\n",
       {"line 2", "never closed"}},
      {"unclosed quotation, CSV",
       "a.csv",
       "text,label\na,x\n\"b,y\nc,x\n",
       {"line 3", "never closed"}},
      {"a blank before the quotes",
       "a.csv",
       "text,label\n\"good film\", \"pos\"\n",
       {"line 2", "field 2", "blank before its quotes"}},
      {"joined files",
       "a.csv",
       "text,label\na,x\ntext,label\nb,y\n",
       {"line 3", "the header stands here again"}},
      {"backslash quotes",
       "a.csv",
       "text,label\n\"say \\\"hi\\\" now\",x\n",
       {"line 2", "not with a backslash"}},
      {"CSV without quoting",
       "a.csv",
       "text,label\na, b,x\n",
       {"line 2", "3 fields, the header 2"}},
      {"title row",
       "a.csv",
       "Survey 2024,\ntext,label\na,x\n",
       {"line 1", "name it \"text\"", "the columns are: survey 2024",
        "line 2 looks like the header"}},
      {"other columns",
       "a.csv",
       "comment;class\na;x\n",
       {"name it \"text\"", "the columns are: comment, class", "semicolons"}},
      {"sep= of nothing known",
       "a.csv",
       "sep=#\ntext#label\n",
       {"line 1", "sep= names no separator"}},
      {"CR alone", "a.csv", "text,label\ra,x\rb,y\r", {"CR alone"}},
      {"UTF-16 without a mark",
       "a.csv",
       utf16(csv_rows(xy), false).substr(2),
       {"UTF-16 without a byte order mark"}},
      {"UTF-16, half a character",
       "a.csv",
       "\xFF\xFE"
       "a\0\x00\xDC"s,
       {"half a character"}},
      {"UTF-16, odd", "a.csv", utf16(csv_rows(xy), false) + "x", {"ends within a character"}},
      {"UTF-32", "a.csv", "\xFF\xFE\0\0t\0\0\0"s, {"UTF-32", "save it as CSV"}},
      {"gzip cut off", "a.csv.gz", gzip(csv_rows(xy)).substr(0, 20), {"ends too early"}},
      {"gzip damaged", "a.csv.gz", gzip(csv_rows(xy)).replace(20, 2, "??"), {"damaged"}},
      {"gzip in gzip", "a.csv.gz", gzip(gzip(csv_rows(xy))), {"packed twice"}},
      {"zip", "a.csv", "PK\x03\x04xxxx", {"a ZIP archive", "save it as CSV"}},
      {"xlsx",
       "a.csv",
       "PK\x03\x04xxxx[Content_Types].xml",
       {"Excel workbook (.xlsx)", "save it as CSV"}},
      {"ods",
       "a.csv",
       "PK\x03\x04mimetypeapplication/vnd.oasis.opendocument.spreadsheet",
       {"OpenDocument", ".ods"}},
      {"xls", "a.csv", "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", {"(.xls)"}},
      {"Parquet", "a.jsonl", "PAR1....", {"Parquet"}},
      {"by name", "a.xlsx", csv_rows(xy), {".jsonl, .csv or .tsv"}}};
  return files;
}

TEST_CASE("accidents that are refused, with where and the way out") {
  for (const Refused& file : refused_files()) {
    CAPTURE(std::string(file.what));
    const Outcome outcome = outcome_of(file.name, file.bytes);
    for (const std::string& word : file.words)
      CHECK_MESSAGE(mentions(outcome.refusal, word), outcome.refusal);
  }
}

// ---- More than one fault or file ---------------------------------------------------------------

TEST_CASE("a refusal lists the first twenty faults by line, and its length has a bound") {
  std::string bytes = json_rows(xy);
  for (int i = 0; i < 25; ++i) bytes += "{\"text\": \"a\"}\n";
  const std::string refusal = outcome_of("a.jsonl", bytes).refusal;
  CHECK(mentions(refusal, "a.jsonl line 3: "));
  CHECK(mentions(refusal, "\nline 22: "));
  CHECK_FALSE(mentions(refusal, "line 23"));
  CHECK(mentions(refusal, "(and 5 more bad lines)"));
  std::string wide;
  for (int i = 0; i < 25; ++i) wide += "{\"" + std::string(100'000, 'n') + "\": 1}\n";
  CHECK(outcome_of("a.jsonl", wide).refusal.size() < 8192);
}

TEST_CASE("blanks around the labels of a validation file are none") {
  const Outcome read = outcome_of("a.csv", csv_rows({"x", " y"}), json_rows({"y ", nbsp + "x"}));
  CHECK(read.refusal == "");
  CHECK(read.labels == xy);
  CHECK(mentions(read.told, "info valid.jsonl: Labels from whose ends blanks were removed: 2"));
}

TEST_CASE("rows in both files are told") {
  const Outcome outcome = outcome_of("a.csv", csv_rows({"x", "y", "x"}), json_rows({"x"}));
  CHECK(mentions(outcome.told, "warn valid.jsonl: Rows whose text stands in a.csv too"));
}

TEST_CASE("nothing is told of data that has nothing odd") {
  Strings labels;
  for (int i = 0; i < 20; ++i) labels.push_back(i % 2 == 0 ? "x" : "y");
  CHECK(outcome_of("a.csv", csv_rows(labels)).told == "");
}

}  // namespace
}  // namespace graft
