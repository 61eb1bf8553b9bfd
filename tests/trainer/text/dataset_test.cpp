// Customers' files as they come: what is good becomes rows, what is bad is told by line and member.
#include "trainer/text/dataset.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>

#include "tests/trainer/data_files.h"

namespace graft {
namespace {

std::vector<Row> rows_of(const std::string& name, std::string_view text) {
  Files files;
  return read_rows(files.write(name, text), FileRole::training);
}

std::string refusal_of(const std::string& name, std::string_view text) {
  return error_of([&] { rows_of(name, text); });
}

Strings texts(const std::vector<Row>& rows) {
  Strings all;
  for (const Row& row : rows) all.push_back(row.text);
  return all;
}

Strings labels(const std::vector<Row>& rows) {
  Strings all;
  for (const Row& row : rows) all.push_back(row.label);
  return all;
}

const std::string good = R"({"text": "t", "label": "l"})";

// ---- JSONL -------------------------------------------------------------------------------------

TEST_CASE("JSONL rows keep text, label and line; blank lines are passed over") {
  const auto rows = rows_of("a.jsonl",
                            "{\"text\": \"one\\nline\", \"label\": \"x\", \"id\": 7}\n\n"
                            "  {\"label\": \"y\", \"text\": \" two \", \"text_pair\": null}  \r\n");
  CHECK(texts(rows) == Strings{"one\nline", " two "});
  CHECK(labels(rows) == Strings{"x", "y"});
  CHECK(rows[0].line == 1);
  CHECK(rows[1].line == 3);
  CHECK_FALSE(rows[1].text_pair.has_value());
}

TEST_CASE("labels are strings, integers or booleans; a fraction is none") {
  const auto rows = rows_of("a.jsonl", R"({"text": "a", "label": 10}
{"text": "b", "label": -2}
{"text": "c", "label": true}
{"text": "d", "label": "10"})");
  CHECK(labels(rows) == Strings{"10", "-2", "true", "10"});
  CHECK(mentions(error_of([&] {
                   read_rows(Files().write("a.jsonl", R"({"text": "a", "label": 3.5})"),
                             FileRole::training, {TaskKind::classification, {}});
                 }),
                 "a.jsonl line 1: member \"label\" is the fractional number 3.5"));
  CHECK(mentions(refusal_of("a.jsonl", R"({"text": "a", "label": ["x"]})"),
                 "is a list; labels are strings or integers"));
}

TEST_CASE("Hugging Face's names are known, pairs before single texts") {
  const auto first = [](std::string_view line) { return rows_of("a.jsonl", line).at(0); };
  CHECK(first(R"({"sentence": "s", "label": 1, "idx": 0})").text == "s");
  for (const auto& [text, pair] :
       std::vector<std::pair<std::string, std::string>>{{"text", "text_pair"},
                                                        {"sentence1", "sentence2"},
                                                        {"premise", "hypothesis"},
                                                        {"question1", "question2"},
                                                        {"question", "sentence"}}) {
    const Row row = first("{\"" + text + "\": \"A\", \"" + pair + "\": \"B\", \"label\": 0}");
    CHECK(row.text == "A");
    CHECK(row.text_pair == "B");
  }
}

TEST_CASE("OpenAI's prompt and completion become text and label, the completion trimmed") {
  const auto rows =
      rows_of("a.jsonl", R"({"prompt": "Nice film ->", "completion": " positive\n"})");
  CHECK(rows[0].text == "Nice film ->");
  CHECK(rows[0].label == "positive");
  CHECK(
      refusal_of("a.jsonl", R"({"prompt": "x"})") ==
      "a.jsonl line 1: member \"completion\" is missing; every row needs a label: add it or remove "
      "the row");
}

TEST_CASE("OpenAI's messages: the user's text, the last assistant's label, no system message") {
  const auto rows = rows_of(
      "a.jsonl",
      R"({"messages": [{"role": "system", "content": "Classify."},)"
      R"( {"role": "user", "content": "Nice film"}, {"role": "assistant", "content": " pos "}]})"
      "\n"
      R"({"messages": [{"role": "system", "content": "Classify."}, {"role": "user", "content": "Bad"},)"
      R"( {"role": "assistant", "content": "?"},)"
      R"( {"role": "user", "content": [{"type": "text", "text": "film"}]},)"
      R"( {"role": "assistant", "content": "neg"}]})");
  CHECK(texts(rows) == Strings{"Nice film", "Bad\nfilm"});
  CHECK(labels(rows) == Strings{"pos", "neg"});
}

TEST_CASE("messages without a label, with another system message or without text are refused") {
  const std::string user = R"({"role": "user", "content": "x"})";
  const std::string answer = R"({"role": "assistant", "content": "pos"})";
  const auto messages = [](const std::string& list) { return "{\"messages\": [" + list + "]}\n"; };
  const auto system = [](const std::string& text) {
    return R"({"role": "system", "content": ")" + text + "\"}, ";
  };
  CHECK(refusal_of("a.jsonl", messages(user)) ==
        "a.jsonl line 1: the last message is not the assistant's; its content is the row's label");
  CHECK(mentions(refusal_of("a.jsonl", messages(system("A") + user + ", " + answer) +
                                           messages(system("B") + user + ", " + answer)),
                 "a.jsonl line 2: the system message differs from that of line 1"));
  CHECK(mentions(refusal_of("a.jsonl", messages(answer)), "\"messages\" is empty"));
  CHECK(mentions(refusal_of("a.jsonl", messages(R"({"role": "user"})")), "a message has no text"));
  CHECK(mentions(refusal_of("a.jsonl", messages("3")), "a message has no text"));
  CHECK(mentions(refusal_of("a.jsonl", messages(R"({"role": "tool", "content": "x"})")),
                 "the role \"tool\" is not one of"));
}

TEST_CASE("a bad JSONL row is told by line and member, with the number of further bad lines") {
  CHECK(
      refusal_of("train.jsonl", good + "\n{\"text\": \"x\"}\n{\"label\": \"x\"}\n[]\n" + good) ==
      "train.jsonl line 2: member \"label\" is missing; every row needs a label: add it or remove "
      "the row\n"
      "line 3: member \"text\" is missing; every row needs it, as the first has: add it or remove "
      "the row\n"
      "line 4: not a JSON object but a list; each line must hold one, such as "
      "{\"text\": …, \"label\": …}");
  CHECK(mentions(refusal_of("a.jsonl", "{\"body\": \"x\", \"label\": 1}"),
                 "no member holds the text; name it \"text\""));
  CHECK(mentions(refusal_of("a.jsonl", "{\"body\": \"x\", \"label\": 1}"),
                 "the members are: body, label"));
  CHECK(mentions(refusal_of("a.jsonl", good + "\n{\"sentence\": \"x\", \"label\": \"l\"}"),
                 "a.jsonl line 2: member \"text\" is missing; every row needs it, as the first"));
  CHECK(mentions(refusal_of("a.jsonl", R"({"text": 3, "label": "l"})"),
                 "member \"text\" is not a string but a number; put the text in quotes"));
  CHECK(mentions(refusal_of("a.jsonl", R"({"text": " ", "label": "l"})"),
                 "\"text\" is empty; every row needs a text"));
  CHECK(mentions(refusal_of("a.jsonl", R"({"text": "t", "label": ""})"), "\"label\" is empty"));
  CHECK(mentions(refusal_of("a.jsonl", R"({"text": "t", "label": "a\nb"})"), "control character"));
  CHECK(mentions(
      refusal_of("a.jsonl", "{\"text\": \"t\", \"label\": \"" + std::string(300, 'x') + "\"}"),
      "a label of 300 bytes"));
}

TEST_CASE("a pair in some rows and none in others is refused, whichever comes first") {
  const std::string pair = R"({"text": "t", "text_pair": "p", "label": "l"})";
  CHECK(mentions(refusal_of("a.jsonl", pair + "\n" + good),
                 "line 2: member \"text_pair\" is missing"));
  CHECK(mentions(refusal_of("a.jsonl", good + "\n" + pair),
                 "line 2: member \"text_pair\" makes this row a pair, the first row is none"));
}

TEST_CASE("what is not JSON lines is refused with the way out") {
  CHECK(mentions(refusal_of("a.json", "[\n" + good + "]"), "jq -c '.[]'"));
  CHECK(mentions(refusal_of("a.jsonl", "{\n\"text\": \"t\"}"),
                 "a.jsonl line 1: not valid JSON at byte"));
  CHECK(mentions(refusal_of("a.jsonl", "{\"text\": \"t\", \"label\": 1e999}"), "not valid JSON"));
  CHECK(mentions(refusal_of("a.jsonl", "\"text\""), "not a JSON object but a string"));
  CHECK(refusal_of("a.jsonl", "") == "a.jsonl: the file is empty; upload one with rows");
  CHECK(refusal_of("a.jsonl", " \n\n") ==
        "a.jsonl: the file has no rows; each needs a text and a label");
  CHECK(mentions(refusal_of("a.xlsx", good), "it must end in .jsonl, .csv or .tsv"));
}

TEST_CASE("bytes that are not UTF-8 and NULs are told by their place") {
  CHECK(refusal_of("a.jsonl", good + "\n{\"text\": \"caf\xe9\", \"label\": \"l\"}") ==
        "a.jsonl line 2: byte 14 of the line (byte 42 of the file) is not UTF-8; "
        "save the file as UTF-8");
  CHECK(mentions(refusal_of("a.csv", std::string("text,label\na\0b,x\n", 17)),
                 "a.csv line 2: byte 2 of the line (byte 13 of the file) is NUL"));
  CHECK(rows_of("a.jsonl", "{\"text\": \"\xEF\xBF\xBD\", \"label\": 1}").size() == 1);
}

TEST_CASE("a line over 1 MiB is refused, one of 1 MiB is not") {
  const std::string frame = R"({"text": "", "label": "l"})";
  const auto line_of = [&](std::size_t bytes) {
    std::string line = frame;
    return line.insert(10, std::string(bytes - frame.size(), 'x'));
  };
  CHECK(rows_of("a.jsonl", line_of(max_line_bytes)).size() == 1);
  CHECK(refusal_of("a.jsonl", good + "\n" + line_of(max_line_bytes + 1)) ==
        "a.jsonl line 2: the row is longer than 1 MiB; shorten its text, of which only the first "
        "tokens are read");
}

TEST_CASE("a byte order mark is passed over in every format") {
  CHECK(rows_of("a.jsonl", "\xEF\xBB\xBF" + good).size() == 1);
  CHECK(rows_of("a.csv", "\xEF\xBB\xBFtext,label\na,b\n").size() == 1);
}

// ---- Columns of one's own
// ------------------------------------------------------------------------

TEST_CASE("a job's own names of members and columns are read, in any case of a header") {
  Files files;
  const RowWish wish{TaskKind::automatic, {"Review Text", "", "stars"}};
  const DataFile lines =
      files.write("a.jsonl", R"({"text": "no", "Review Text": "good", "label": "no", "stars": 5})");
  const DataFile table = files.write("a.csv", "text,REVIEW TEXT ,stars\nno,good,5\n");
  for (const DataFile& file : {lines, table}) {
    const DataRows data = read_data(file, FileRole::training, wish);
    CHECK(texts(data.rows) == Strings{"good"});
    CHECK(labels(data.rows) == Strings{"5"});
    REQUIRE(data.notes.size() == 1);
    CHECK(mentions(data.notes[0].message, "what is learned from \"stars\""));
  }
  const auto error = [&](const DataFile& file, const Columns& columns) {
    return error_of([&] { read_data(file, FileRole::training, {TaskKind::automatic, columns}); });
  };
  CHECK(mentions(error(lines, {"body", "", ""}), "a.jsonl line 1: member \"body\" is missing"));
  CHECK(mentions(error(lines, {"text", "other", ""}), "member \"other\" is missing"));
  CHECK(mentions(error(table, {"", "", "rating"}),
                 "a.csv line 1: the header names no column \"rating\"; the columns are: text, "));
  const DataRows pairs = read_data(files.write("p.csv", "a,b,c\nx,y,z\n"), FileRole::training,
                                   {TaskKind::automatic, {"a", "b", "c"}});
  CHECK(pairs.rows[0].text_pair == "y");
}

TEST_CASE("columns that are asked for are what is read, whatever else they look like") {
  Files files;
  const auto labels_by = [&](const std::string& name, const std::string& text, Columns columns) {
    return labels(read_rows(files.write(name, text), FileRole::training,
                            {TaskKind::automatic, std::move(columns)}));
  };
  // What annotation tools mark rows with may be the label.
  CHECK(labels_by("a.jsonl", R"({"text": "a", "answer": "ignore"})", {"", "", "answer"}) ==
        Strings{"ignore"});
  CHECK(labels_by("a.csv", "text,answer\na,reject\n", {"", "", "answer"}) == Strings{"reject"});
  // A member called messages may be a text, and a chat have a label of its own.
  CHECK(labels_by("a.jsonl", R"({"messages": "good day", "category": "c"})",
                  {"messages", "", "category"}) == Strings{"c"});
  CHECK(labels_by("a.csv", "a,b\nx,y\n", {"a", "", "a"}) == Strings{"x"});
  // Fixed with the text.
  CHECK(labels_by("a.jsonl", R"({"prompt": "p", "completion": "c", "category": "z"})", {}) ==
        Strings{"c"});
  CHECK(texts(rows_of("a.jsonl", R"({"text": "t", "text_a": "a", "text_b": "b", "label": "l"})")) ==
        Strings{"t"});
  CHECK(mentions(refusal_of("a.jsonl", R"({"text": "t", "category": "c", "score": 0.5})"),
                 "members \"score\" and \"category\" could each hold"));
  const std::string refusal = error_of([&] {
    labels_by("a.jsonl", R"({"text": "t", "my l": null})", {"", "", "my l"});
  });
  CHECK(mentions(refusal, "fill it in or remove the row"));
  CHECK_FALSE(mentions(refusal, "jq"));
}

TEST_CASE("common names of columns are known; where several may be meant they are listed") {
  Files files;
  const DataRows data =
      read_data(files.write("a.csv", "content,category\na,x\n"), FileRole::training);
  CHECK(labels(data.rows) == Strings{"x"});
  CHECK(mentions(data.notes.at(0).message,
                 "Read: text from \"content\", what is learned from \"category\"."));
  const DataRows pairs = read_data(
      files.write("a.jsonl", R"({"text_a": "a", "text_b": "b", "target": "x", "label": "y"})"),
      FileRole::training);
  CHECK(pairs.rows[0].text_pair == "b");
  CHECK(labels(pairs.rows) == Strings{"y"});  // where there is a label there is no doubt
  CHECK(refusal_of("a.csv", "text,class,target\na,x,y\n") ==
        "a.csv line 1: the columns \"target\" and \"class\" could each hold what is to be learned; "
        "say which with the job's columns.label");
  CHECK(refusal_of("a.jsonl", R"({"text": "a", "category": "x", "class": 1, "target": 2})") ==
        "a.jsonl line 1: members \"category\", \"target\" and \"class\" could each hold what is to "
        "be learned; say which with the job's columns.label");
}

// ---- CSV and TSV -------------------------------------------------------------------------------

TEST_CASE("CSV follows RFC 4180: quotes hold separators, line ends and doubled quotes") {
  const auto rows = rows_of("a.csv",
                            "id,Text, label\r\n"
                            "1,\"a, \"\"b\"\"\r\nc\",x\r\n"
                            "\r\n"
                            "2,it\"s, y \n"
                            "\"\",\"\"\"\",\"z\"\r\n"
                            "4,last,x");
  CHECK(texts(rows) == Strings{"a, \"b\"\r\nc", "it\"s", "\"", "last"});
  CHECK(labels(rows) == Strings{"x", "y", "z", "x"});
  CHECK(rows[0].line == 2);
  CHECK(rows[1].line == 5);
  CHECK(rows[3].line == 7);
}

TEST_CASE("TSV is separated by tabs") {
  const auto rows = rows_of("a.tsv", "sentence1\tsentence2\tlabel\na, b\tc\t1\n");
  CHECK(rows[0].text == "a, b");
  CHECK(rows[0].text_pair == "c");
  CHECK(rows[0].label == "1");
}

TEST_CASE("a header without the columns needed is refused and lists what it has") {
  CHECK(mentions(refusal_of("a.csv", "body,label\na,b\n"),
                 "a.csv line 1: the header names no column for the text"));
  CHECK(mentions(refusal_of("a.csv", "text,kind\na,b\n"),
                 "the header names no column \"label\"; the columns are: text, kind"));
  CHECK(mentions(refusal_of("a.csv", "text label\na b\n"), "columns are separated by commas"));
  CHECK(refusal_of("a.csv", "text,label,Text\na,b,c\n") ==
        "a.csv line 1: the header names the column \"text\" twice; remove or rename one of them");
  CHECK(refusal_of("a.csv", "text,label\n") ==
        "a.csv: the file has no rows; each needs a text and a label");
}

TEST_CASE("a ragged row and wrong quotes are told by the line where they began") {
  CHECK(mentions(refusal_of("a.csv", "text,label\na,b\nc,d,e\n"),
                 "a.csv line 3: the row has 3 fields, the header 2"));
  CHECK(
      mentions(refusal_of("a.csv", "text,label\n\"a\nb\",x\nc\n"), "a.csv line 4: the row has 1"));
  CHECK(refusal_of("a.csv", "text,label\na,b\n\"c,d\ne,f\ng,h\n") ==
        "a.csv line 3: the quote that opens field 1 is never closed; "
        "a quote inside a field is written twice");
  CHECK(mentions(refusal_of("a.csv", "text,label\n\"a\nb\",\"c\n"),
                 "a.csv line 2: the quote that opens field 2 in line 3 is never closed"));
  CHECK(mentions(refusal_of("a.csv", "text,label\n\"a\"b,x\n"),
                 "line 2: text follows the closing quote of field 1"));
  CHECK(mentions(refusal_of("a.csv", "text,label\n" + std::string(max_line_bytes, 'x') + ",y\n"),
                 "line 2: the row is longer than 1 MiB"));
}

// ---- Files and splits
// -----------------------------------------------------------------------------

TEST_CASE("a stored file that is gone is told as such") {
  const DataFile file{"/nonexistent/blob", "train.jsonl", ""};
  CHECK(mentions(error_of([&] { read_rows(file, FileRole::training); }),
                 "train.jsonl: the stored file is gone"));
}

// ---- Split -------------------------------------------------------------------------------------

std::vector<std::int32_t> some_class_ids() {
  std::vector<std::int32_t> ids;
  for (int i = 0; i < 100; ++i) ids.push_back(i % 10 == 0 ? 1 : 0);  // 90 and 10
  ids.push_back(2);
  return ids;
}

TEST_CASE("a split takes its part of each class, and leaves each class a training row") {
  const auto ids = some_class_ids();
  const Split split = split_validation(ids, 0.2, 42);
  std::vector<int> validation(3), training(3);
  for (const std::size_t row : split.validation) ++validation[static_cast<std::size_t>(ids[row])];
  for (const std::size_t row : split.training) ++training[static_cast<std::size_t>(ids[row])];
  CHECK(validation == std::vector<int>{18, 2, 0});
  CHECK(training == std::vector<int>{72, 8, 1});
  CHECK(std::ranges::is_sorted(split.training));
  CHECK(std::ranges::is_sorted(split.validation));
  const Split almost_all = split_validation(ids, 0.999, 42);
  std::set<std::int32_t> classes;
  for (const std::size_t row : almost_all.training) classes.insert(ids[row]);
  CHECK(classes.size() == 3);
}

TEST_CASE("a split depends on its seed alone") {
  const auto ids = some_class_ids();
  CHECK(split_validation(ids, 0.2, 42).validation == split_validation(ids, 0.2, 42).validation);
  CHECK(split_validation(ids, 0.2, 42).validation != split_validation(ids, 0.2, 43).validation);
  const Split fixed = split_validation(std::vector<std::int32_t>{0, 0, 0, 0, 1, 1, 1, 1}, 0.5, 7);
  CHECK(fixed.validation.size() == 4);
  CHECK(split_validation(ids, 0.0, 42).validation.empty());
  CHECK(split_validation({}, 0.5, 42).training.empty());
}

}  // namespace
}  // namespace graft
