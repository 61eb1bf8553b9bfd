// Files that are well formed and yet may not be meant as they stand: what is told of them with
// counts, what is refused, and the words of refusals.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/trainer/text/file_outcome.h"
#include "trainer/contract/json_glance.h"
#include "trainer/text/row_doubts.h"

namespace graft {
namespace {

std::string csv_texts(const Strings& texts) {
  std::string text = "text,label\n";
  for (std::size_t i = 0; i < texts.size(); ++i)
    text += "\"" + texts[i] + "\"," + (i % 2 == 0 ? "x" : "y") + "\n";
  return text;
}

std::string refusal_of(const std::string& row) {
  return outcome_of("a.jsonl", json_rows({"x", "y"}) + row + "\n").refusal;
}

// ---- Labels ------------------------------------------------------------------------------------

TEST_CASE("labels that are words for a missing value are told in one event, in every format") {
  const Strings labels{"good", "nan", "N/A", "bad", "nan", "\\\\N"};
  const std::string told =
      ": 4 rows have a label that is a word for a missing value: \"N/A\" (1 row), \"\\N\" (1 row), "
      "\"nan\" (2 rows); such words are classes like any other, so remove these rows if they have "
      "no label.";
  const Outcome json = outcome_of("a.jsonl", json_rows(labels));
  CHECK_MESSAGE(mentions(json.told, "warn a.jsonl" + told), json.told);
  CHECK(json.labels == Strings{"N/A", "\\N", "bad", "good", "nan"});
  Strings plain = labels;
  plain.back() = "\\N";
  for (const auto& [name, separator] :
       std::vector<std::pair<std::string, char>>{{"a.csv", ','}, {"a.tsv", '\t'}}) {
    const Outcome outcome = outcome_of(name, csv_rows(plain, separator));
    CHECK_MESSAGE(mentions(outcome.told, "warn " + name + told), outcome.told);
    CHECK(outcome.labels == json.labels);
  }
  CHECK(mentions(outcome_of("a.csv", csv_rows({"x", "none"})).told, "1 row has a label that is"));
}

TEST_CASE("a word for a missing value is one only as the whole, in any case") {
  for (const char* word : {"nan", "NaN", "NULL", "null", "None", "N/A", "n/a", "NA", "\\N", "#N/A",
                           "-", "<NA>", "#REF!", "NaT", "nil", "(null)", "--", " nan ", "—"})
    CHECK_MESSAGE(is_missing_word(word), word);
  for (const char* word : {"", "nano", "none of these", "x-y", "NAN bread", "0", "no"})
    CHECK_MESSAGE(!is_missing_word(word), word);
}

TEST_CASE("texts that are nothing but a word for a missing value are told") {
  const Outcome outcome = outcome_of("a.csv", csv_texts({"fine", "nan", "N/A", "nan bread"}));
  CHECK(outcome.rows == 4);
  CHECK_MESSAGE(mentions(outcome.told,
                         "warn a.csv: Rows with a text that is a word for a missing value, such as "
                         "nan or N/A, and nothing else: 2, the first in line 3."),
                outcome.told);
}

TEST_CASE("labels that are the same number are told and kept, in every format") {
  const Strings labels{"1", "01", "1.0", "2", "2"};
  const std::string told =
      ": 3 labels are the same number: \"01\" (1 row), \"1\" (1 row), \"1.0\" (1 row); they are "
      "kept as classes of their own.";
  for (const Outcome& outcome :
       {outcome_of("a.jsonl", json_rows(labels)), outcome_of("a.csv", csv_rows(labels)),
        outcome_of("a.tsv", csv_rows(labels, '\t'))}) {
    CHECK_MESSAGE(mentions(outcome.told, told), outcome.told);
    CHECK(outcome.labels == Strings{"01", "1", "1.0", "2"});
  }
  CHECK_FALSE(mentions(outcome_of("a.csv", csv_rows({"1", "2", "10", "x"})).told, "same number"));
}

TEST_CASE("a number has one form however it is written") {
  for (const char* one : {"1", "01", "+1", "1.0", "1.", "1,0", "1e0", "0.1e1", "10E-1"})
    CHECK_MESSAGE(number_of(one) == number_of("1"), one);
  CHECK(number_of("-0") == number_of("0.00"));
  CHECK(number_of("1000") == number_of("1e3"));
  CHECK(number_of(".5") == number_of("0.50"));
  CHECK(number_of("-1") != number_of("1"));
  CHECK(number_of("100") != number_of("10"));
  for (const char* none :
       {"", "-", ".", "e5", "1,000", "1.2.3", "1e", "1e9999", "x1", "0x10", "1 "})
    CHECK_MESSAGE(!number_of(none).has_value(), none);
}

TEST_CASE("an integer label of any length keeps its digits; a fraction is refused as written") {
  const std::string large = "1" + std::string(30, '0');
  const Outcome outcome =
      outcome_of("a.jsonl", R"({"text": "a", "label": )" + large +
                                "}\n{\"text\": \"b\", \"label\": -" + large + "}\n");
  CHECK(outcome.refusal == "");
  CHECK(outcome.labels == Strings{"-" + large, large});
  const std::string fraction =
      json_rows({"x", "y"}) + R"({"text": "a", "label": 1.50, "inner": {"label": 7.25}})";
  CHECK(mentions(outcome_of("a.jsonl", fraction, "", TaskKind::classification).refusal,
                 "a.jsonl line 3: member \"label\" is the fractional number 1.50; labels are "
                 "strings or integers, each the name of a class: write an integer, or the number "
                 "in quotes"));
  CHECK(mentions(refusal_of("{\"text\": \"a\", \"label\": 1" + std::string(400, '0') + "}"),
                 "the number is too large"));
}

TEST_CASE("a label that is null, invisible or a control character is refused with the way out") {
  CHECK(refusal_of(R"({"text": "a", "label": null})") ==
        "a.jsonl line 3: member \"label\" is null; every row needs a label: fill it in or remove "
        "the row, as jq -c 'select(.label != null)' FILE does");
  CHECK(mentions(refusal_of(R"({"text": null, "label": "x"})"), "member \"text\" is null; every"));
  CHECK(mentions(outcome_of("a.jsonl", R"({"text": null, "label": "x"})").refusal,
                 "a.jsonl line 1: member \"text\" is null; every row needs a text: fill it in"));
  CHECK(refusal_of("{\"text\": \"a\", \"label\": \"p\u202Eos\"}") ==
        "a.jsonl line 3: \"label\" holds the character U+202E, which is invisible and changes the "
        "direction of writing; remove it, or labels that look alike are different classes");
  CHECK(mentions(refusal_of("{\"text\": \"a\", \"label\": \"p\u200Bos\"}"),
                 "U+200B, which is invisible; remove it"));
  CHECK(mentions(outcome_of("a.csv", "text,label\na,\"x\ny\"\n").refusal,
                 "\"label\" holds the control character U+000A (a line end); remove it"));
}

TEST_CASE("a row that its annotator rejected is refused, in every format") {
  CHECK(refusal_of(R"({"text": "a", "label": "x", "answer": "reject"})") ==
        "a.jsonl line 3: \"answer\" is reject, which says that the row is not to be used; remove "
        "such rows, or rename \"answer\" where it means something else");
  CHECK(mentions(refusal_of(R"({"text": "a", "label": "x", "answer": "ignore"})"), "is ignore"));
  CHECK(mentions(refusal_of(R"({"text": "a", "label": "x", "was_cancelled": true})"),
                 "\"was_cancelled\" is true"));
  CHECK(refusal_of(R"({"text": "a", "label": "x", "answer": "accept", "was_cancelled": false})") ==
        "");
  CHECK(mentions(outcome_of("a.csv", "text,Answer,label\na,accept,x\nb,Reject,y\n").refusal,
                 "a.csv line 3: \"Answer\" is Reject"));
  CHECK(mentions(outcome_of("a.tsv", "text\tlabel\twas_cancelled\na\tx\tTrue\n").refusal,
                 "a.tsv line 2: \"was_cancelled\" is True"));
  CHECK(mentions(outcome_of("a.jsonl", R"({"messages": [{"role": "user", "content": "t"}, )"
                                       R"({"role": "assistant", "content": "x", "weight": 0}]})")
                     .refusal,
                 "\"weight\" is 0"));
}

TEST_CASE("rows whose status is discarded are read and told") {
  for (const Outcome& outcome :
       {outcome_of("a.csv", "text,label,status\na,x,validated\nb,y,discarded\n"),
        outcome_of("a.jsonl", R"({"text": "a", "label": "x"})"
                              "\n"
                              R"({"text": "b", "label": "y", "status": "Discarded"})")}) {
    CHECK(outcome.rows == 2);
    CHECK_MESSAGE(mentions(outcome.told,
                           "Rows whose \"status\" is discarded, which are trained on "
                           "all the same; remove them if it says that they are not "
                           "to be used: 1, the first in line"),
                  outcome.told);
  }
}

// ---- Texts -------------------------------------------------------------------------------------

TEST_CASE("HTML entities and tags in many texts are told; in one of many they are not") {
  const Outcome outcome = outcome_of(
      "a.csv", csv_texts({"this &amp; that", "it&#39;s", "R&D; x", "a<br />b", "1 < 2"}));
  CHECK(outcome.rows == 5);
  CHECK_MESSAGE(mentions(outcome.told,
                         "warn a.csv: Rows with HTML entities (such as &amp; or &#39;) in their "
                         "texts, which are trained on as they stand: 2, the first in line 2."),
                outcome.told);
  CHECK(mentions(outcome.told,
                 "Rows with HTML tags (such as <br />) in their texts, which are "
                 "trained on as they stand: 1, the first in line 5."));
  CHECK(mentions(outcome_of("a.jsonl", R"({"text": "a", "text_pair": "&lt;", "label": 1})"
                                       "\n"
                                       R"({"text": "b", "text_pair": "c", "label": 2})")
                     .told,
                 "entities"));
  Strings many(200, "plain");
  many[7] = "&quot;quoted&quot;";
  CHECK_FALSE(mentions(outcome_of("a.csv", csv_texts(many)).told, "entities"));
}

TEST_CASE("entities, tags and damage are known by their form") {
  for (const char* text :
       {"&amp;", "a&lt;b", "&quot;x&quot;", "&#39;", "&#x27;", "&eacute;", "&Uuml;"})
    CHECK_MESSAGE(has_html_entity(text), text);
  for (const char* text : {"AT&T", "R&D;", "a & b;", "&;", "&#;", "&#x;", "&", "x &soon enough;"})
    CHECK_MESSAGE(!has_html_entity(text), text);
  for (const char* text : {"<br>", "<BR/>", "a</p>", "<a href=\"x\">"})
    CHECK_MESSAGE(has_html_tag(text), text);
  for (const char* text : {"<", "a < b > c", "<3", "<unk>", "<user>", "<b", "<brave>"})
    CHECK_MESSAGE(!has_html_tag(text), text);
  for (const char* text : {"caf\uFFFD", "caf\u00C3\u00A9", "don\u00E2\u20AC\u2122t"})
    CHECK_MESSAGE(has_damage(text), text);
  for (const char* text : {"café", "S\u00C3O PAULO", "\u20AC 5"})
    CHECK_MESSAGE(!has_damage(text), text);
}

TEST_CASE("characters that a conversion damaged are told") {
  CHECK(mentions(outcome_of("a.csv", csv_texts({"caf\u00C3\u00A9", "tea"})).told,
                 "warn a.csv: Rows with characters that an earlier conversion damaged (such as "
                 "U+FFFD or Ã©): 1, the first in line 2."));
}

// ---- Files that are something else -------------------------------------------------------------

TEST_CASE("pointers, web pages and archives in place of the data are refused by name") {
  const auto refusal = [](const std::string& bytes) { return outcome_of("a.csv", bytes).refusal; };
  CHECK(refusal("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n") ==
        "a.csv: the file is a pointer of Git LFS, not the data itself; fetch the data with git lfs "
        "pull and upload that");
  CHECK(mentions(refusal("/annex/objects/SHA256E-s5--4d7a.csv\n"), "git annex get"));
  CHECK(mentions(refusal("../.git/annex/objects/x1/SHA256E-s5--4d7a.csv"), "git annex get"));
  CHECK(mentions(refusal("\r\n<!DOCTYPE html>\n<html>"), "the file is a web page (HTML)"));
  CHECK(mentions(refusal("\xEF\xBB\xBF<?xml version=\"1.0\"?>"), "the file is XML"));
  CHECK(mentions(refusal("{\\rtf1 text,label}"), "(.rtf)"));
  CHECK(mentions(refusal("a.csv" + std::string(252, '\0') + "ustar" + std::string(250, '\0')),
                 "a tar archive; upload the file that it holds"));
}

TEST_CASE("a JSON array is named as such, with the command for a file of that name") {
  const auto refusal = [](const std::string& name, const std::string& bytes) {
    return outcome_of(name, bytes).refusal;
  };
  const std::string row = R"({"text": "t", "label": "l"})";
  CHECK(mentions(refusal("a.json", "[" + row + "]"), "jq -c '.[]' a.json > a.jsonl"));
  CHECK(mentions(refusal("a.jsonl", "\n[\n" + row + "\n]"), "a.jsonl > a-rows.jsonl"));
  CHECK(mentions(refusal("it's.json", "[\n" + row + "\n]"), "'it'\\''s.json' > 'it'\\''s.jsonl'"));
  CHECK(mentions(refusal("-x.json", "[\n"), "'./-x.json' > './-x.jsonl'"));
  CHECK(refusal("a.jsonl", "[\"t\", \"l\"]\n[\"t\", \"l\"]\n")
            .starts_with("a.jsonl line 1: not a JSON object but a list; each line must hold one"));
  CHECK(mentions(refusal("a.json", "{\"data\": [" + row + "]}"),
                 "the members are: data; member \"data\" is a list of objects, which jq -c "
                 "'.[\"data\"][]' FILE writes one a line"));
}

// ---- JSON --------------------------------------------------------------------------------------

TEST_CASE("what is wrong with JSON is told in words, with the byte") {
  const std::vector<std::pair<std::string, std::string>> lines{
      {R"({"text": "a", "label": NaN})", "byte 24: \"NaN\" is no value of JSON; write a value or"},
      {R"({"text": "a", "label": nan})", "\"nan\" is no value of JSON"},
      {R"({"text": "a", "label": -Infinity})", "\"Infinity\" is no value of JSON"},
      {R"({"text": "a", "label": None})",
       "\"None\" is not JSON, which writes null, true and false"},
      {R"({'text': 'a'})", "byte 2: strings stand in double quotes, not in single ones"},
      {R"({"text": "a", label: "x"})", "the word \"label\" stands there without quotes"},
      {R"({"text": "a", "label": "x",})", "byte 28: a comma stands before the closing bracket"},
      {R"({"text": "a" "label": "x"})", "a comma or colon is missing before the string"},
      {R"({"text": "a", "label": 01})", "a number does not begin with a zero"},
      {R"({"text": "a", "label": "x"},)", "byte 28: more follows behind the end of the object"},
      {R"({"text": "a"}{"text": "b"})", "more follows behind the end of the object"},
      {R"({"text": "a)", "a string is never closed"},
      {R"({"text": "a")", "the text ends before its last bracket is closed"},
      {"{\"text\": \"a\tb\"}",
       "byte 12: the control character U+0009 stands in a string; it is "
       "written \\t"},
      {R"({"text": "C:\data"})", "a backslash in a string is written twice, \\"},
      {R"({"text": "\u12"})", "\\u needs four hexadecimal digits"},
      {R"({"text": "\ud800"})", "half a character"},
      {R"({"text": 1e999})", "the number is too large"}};
  for (const auto& [line, words] : lines) {
    const std::string refusal = refusal_of(line);
    CHECK_MESSAGE(refusal.starts_with("a.jsonl line 3: not valid JSON at byte "), refusal);
    CHECK_MESSAGE(mentions(refusal, words), refusal);
    CHECK_MESSAGE(mentions(refusal, "; each line must hold one whole JSON object"), refusal);
    for (const char* internal : {"parse", "literal", "unexpected", "exception", "token", "syntax"})
      CHECK_MESSAGE(!mentions(refusal, internal), refusal);
  }
}

TEST_CASE("numbers that are no 64-bit integers are kept as written, of the outermost object only") {
  const JsonGlance seen = glance_at_json(
      R"({"a": 1.50, "b": {"a": 2.5}, "c": [3.5], "d": 7, "e": 18446744073709551616})", 8);
  CHECK(seen.problem == "");
  CHECK(seen.long_numbers ==
        std::map<std::string, std::string>{{"a", "1.50"}, {"e", "18446744073709551616"}});
}

}  // namespace
}  // namespace graft
