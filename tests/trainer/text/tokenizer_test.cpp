// The tokenizer against what Hugging Face's tokenizers made of the same lines, and its own limits.
#include "trainer/text/tokenizer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "tests/support/scratch_directory.h"
#include "tests/trainer/reference_lines.h"
#include "trainer/text/mapped_file.h"
#include "trainer/text/tokenized_rows.h"

namespace graft {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<std::int32_t>;

const std::filesystem::path source_directory = GRAFT_SOURCE_DIR;
const std::filesystem::path minilm = source_directory / ".deps/backbones/minilm";

Json reference() {
  return Json::parse(MappedFile(source_directory / "tests/reference/tokenizer.json").text());
}

// 64-bit FNV-1a.
class Hash {
 public:
  void add(std::string_view bytes) {
    for (const char byte : bytes) {
      value_ = (value_ ^ static_cast<unsigned char>(byte)) * 0x100000001B3u;
    }
  }
  void add(std::uint32_t number) {
    for (unsigned shift = 0; shift < 32; shift += 8) {
      value_ = (value_ ^ ((number >> shift) & 0xFFu)) * 0x100000001B3u;
    }
  }
  std::string hex() const {
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value_));
    return text;
  }

 private:
  std::uint64_t value_ = 0xCBF29CE484222325u;
};

std::vector<std::vector<std::string>> reference_blocks(const Json& json) {
  ReferenceLines source(json["ranges"].get<ReferenceLines::Ranges>(),
                        json["strings"].get<std::vector<std::string>>());
  std::vector<std::vector<std::string>> blocks(json["blocks"].size());
  for (auto& block : blocks) {
    for (std::size_t i = 0; i < json["lines_per_block"].get<std::size_t>(); ++i) {
      block.push_back(source.next());
    }
  }
  return blocks;
}

std::string hash_of_encodings(const Tokenizer& tokenizer, const std::vector<std::string>& lines) {
  Hash hash;
  for (const std::string& line : lines) {
    const Encoding encoding = tokenizer.encode(line);
    for (std::size_t i = 0; i < encoding.ids.size(); ++i) {
      hash.add(static_cast<std::uint32_t>(encoding.ids[i]));
      hash.add(encoding.offsets[i].begin);
      hash.add(encoding.offsets[i].end);
    }
    hash.add(0xFFFFFFFFu);
  }
  return hash.hex();
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

// A tokenizer.json of a few tokens; tests change it.
Json small_tokenizer() {
  return Json::parse(R"({
    "truncation": {"max_length": 3, "strategy": "LongestFirst", "stride": 0},
    "padding": {"strategy": {"Fixed": 9}, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
    "added_tokens": [
      {"id": 0, "content": "[PAD]", "special": true, "normalized": false},
      {"id": 2, "content": "[CLS]", "special": true, "normalized": false},
      {"id": 3, "content": "[SEP]", "special": true, "normalized": false}],
    "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                   "strip_accents": null, "lowercase": true},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": {"type": "BertProcessing", "cls": ["[CLS]", 2], "sep": ["[SEP]", 3]},
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
              "max_input_chars_per_word": 10,
              "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "cat": 4, "##s": 5,
                        "dog": 6, "é": 7, "e": 8, "C": 9, "##at": 10, ".": 11}}})");
}

Tokenizer load(const Json& json) {
  const ScratchDirectory directory;
  write_file(directory / "tokenizer.json", json.dump());
  return Tokenizer::load(directory.path());
}

std::string load_error(const Json& json) {
  try {
    load(json);
  } catch (const TokenizerError& error) {
    return error.what();
  }
  return "no error";
}

bool mentions(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("20,480 varied lines give the ids and offsets of Hugging Face's tokenizers") {
  const Json json = reference();
  const Tokenizer tokenizer = Tokenizer::load(minilm);
  const auto blocks = reference_blocks(json);
  std::size_t lines = 0;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    CAPTURE(i);
    Hash text;
    for (const std::string& line : blocks[i]) text.add(line + "\n");
    REQUIRE(text.hex() == json["blocks"][i]["lines"].get<std::string>());
    CHECK(hash_of_encodings(tokenizer, blocks[i]) ==
          json["blocks"][i]["encodings"].get<std::string>());
    lines += blocks[i].size();
  }
  CHECK(lines >= 20000);
}

TEST_CASE("pairs cut longest first give the ids and type ids of Hugging Face's tokenizers") {
  const Json json = reference();
  const Tokenizer tokenizer = Tokenizer::load(minilm);
  const auto blocks = reference_blocks(json);
  for (const Json& expected : json["pairs"]) {
    const auto max_length = expected["max_length"].get<std::size_t>();
    const std::vector<std::string>& lines = blocks[expected["block"].get<std::size_t>()];
    CAPTURE(max_length);
    Hash hash;
    for (std::size_t i = 0; i + 1 < lines.size(); i += 2) {
      const Encoding encoding = tokenizer.encode(lines[i], lines[i + 1], max_length);
      CHECK(encoding.ids.size() <= max_length);
      CHECK(encoding.truncated ==
            (tokenizer.encode(lines[i], lines[i + 1]).ids.size() > max_length));
      for (std::size_t t = 0; t < encoding.ids.size(); ++t) {
        hash.add(static_cast<std::uint32_t>(encoding.ids[t]));
        hash.add(encoding.type_ids[t]);
      }
      hash.add(0xFFFFFFFFu);
    }
    CHECK(hash.hex() == expected["encodings"].get<std::string>());
  }
}

TEST_CASE("readable cases give the ids and offsets of Hugging Face's tokenizers") {
  const Tokenizer tokenizer = Tokenizer::load(minilm);
  const Json json = reference();
  for (const Json& expected : json["cases"]) {
    const auto text = expected["text"].get<std::string>();
    CAPTURE(text);
    const Encoding encoding = tokenizer.encode(text);
    CHECK(encoding.ids == expected["ids"].get<Ids>());
    std::vector<std::uint32_t> offsets;
    for (const TokenOffsets& offset : encoding.offsets) {
      offsets.insert(offsets.end(), {offset.begin, offset.end});
    }
    CHECK(offsets == expected["offsets"].get<std::vector<std::uint32_t>>());
    CHECK_FALSE(encoding.truncated);
  }
}

TEST_CASE("vocab.txt alone gives the same ids as tokenizer.json") {
  const ScratchDirectory directory;
  std::filesystem::copy_file(minilm / "vocab.txt", directory / "vocab.txt");
  const auto blocks = reference_blocks(reference());
  const Tokenizer from_json = Tokenizer::load(minilm);
  const std::string expected = hash_of_encodings(from_json, blocks[3]);
  const Tokenizer without_config = Tokenizer::load(directory.path());
  CHECK(hash_of_encodings(without_config, blocks[3]) == expected);
  CHECK(without_config.vocabulary_size() == from_json.vocabulary_size());

  std::filesystem::copy_file(minilm / "tokenizer_config.json", directory / "tokenizer_config.json");
  CHECK(hash_of_encodings(Tokenizer::load(directory.path()), blocks[3]) == expected);

  write_file(directory / "tokenizer_config.json", R"({"do_lower_case": false})");
  CHECK(hash_of_encodings(Tokenizer::load(directory.path()), blocks[3]) != expected);
}

TEST_CASE("the frame stays when nothing else fits") {
  const Tokenizer tokenizer = Tokenizer::load(minilm);
  for (const std::size_t max_length : {1, 2}) {
    const Encoding encoding = tokenizer.encode("hello world", std::nullopt, max_length);
    CHECK(encoding.ids == Ids{101, 102});
    CHECK(encoding.truncated);
  }
  CHECK(tokenizer.encode("hello", "world", 3).ids == Ids{101, 102, 102});
  CHECK(tokenizer.encode("", std::nullopt, 2).ids == Ids{101, 102});
  CHECK_FALSE(tokenizer.encode("", std::nullopt, 2).truncated);
  CHECK(tokenizer.encode("hello", "world", 5).ids == Ids{101, 7592, 102, 2088, 102});
  CHECK_FALSE(tokenizer.encode("hello", "world", 5).truncated);
}

TEST_CASE("a text far over max_length is cut as if it had been read to its end") {
  const Tokenizer tokenizer = Tokenizer::load(minilm);
  std::string text;
  for (int i = 0; i < 50000; ++i) text += "hello ";
  const Encoding encoding = tokenizer.encode(text, std::nullopt, 128);
  CHECK(encoding.ids.size() == 128);
  CHECK(encoding.ids[126] == 7592);
  CHECK(encoding.ids[127] == 102);
  CHECK(encoding.truncated);
}

TEST_CASE("bytes that are not UTF-8 count as one dropped character each run") {
  const Tokenizer tokenizer = Tokenizer::load(minilm);
  const Encoding encoding = tokenizer.encode("hello\xff \xe2\x82world\xc3");
  CHECK(encoding.ids == Ids{101, 7592, 2088, 102});
  CHECK(encoding.offsets[1] == TokenOffsets{0, 5});
  CHECK(encoding.offsets[2] == TokenOffsets{8, 13});
  for (const char* bytes : {"\xc0\xaf", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xf0\x80\x80\x80",
                            "\x80", "\xf4\x90\x80\x80", "\xf0\x9f\x98"}) {
    CHECK(tokenizer.encode(bytes).ids == Ids{101, 102});
  }
}

TEST_CASE("many threads may use one tokenizer") {
  const Tokenizer tokenizer = Tokenizer::load(minilm);
  const auto blocks = reference_blocks(reference());
  const std::string expected = hash_of_encodings(tokenizer, blocks[0]);
  std::vector<std::string> hashes(4);
  std::vector<std::thread> threads;
  for (std::string& hash : hashes) {
    threads.emplace_back([&] { hash = hash_of_encodings(tokenizer, blocks[0]); });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(std::ranges::all_of(hashes, [&](const std::string& hash) { return hash == expected; }));
}

TEST_CASE("tokenizer.json's own truncation and padding are left out") {
  const Tokenizer tokenizer = load(small_tokenizer());
  CHECK(tokenizer.encode("cats dog. Éé").ids == Ids{2, 4, 5, 6, 11, 1, 3});
  CHECK(tokenizer.encode("cat e").ids == Ids{2, 4, 8, 3});
  CHECK(tokenizer.encode("cat", "dog").type_ids == std::vector<std::uint8_t>{0, 0, 0, 1, 1});
  CHECK(tokenizer.vocabulary_size() == 12);
  CHECK(tokenizer.padding_id() == 0);
}

TEST_CASE("case, accents and the longest word follow tokenizer.json") {
  Json json = small_tokenizer();
  json["normalizer"]["lowercase"] = false;
  CHECK(load(json).encode("Cat É é").ids == Ids{2, 9, 10, 1, 7, 3});
  json["normalizer"]["strip_accents"] = true;
  CHECK(load(json).encode("é").ids == Ids{2, 8, 3});
  json = small_tokenizer();
  json["normalizer"]["strip_accents"] = false;
  CHECK(load(json).encode("É").ids == Ids{2, 7, 3});
  CHECK(load(json).encode("catsssssss catssssssss").ids == Ids{2, 4, 5, 5, 5, 5, 5, 5, 5, 1, 3});
}

// Expected values made with tokenizers 0.23.3.
TEST_CASE("added tokens match raw or normalized text, alone or within words, with their spaces") {
  Json json = small_tokenizer();
  const auto add = [&](int id, const char* content, const char* flag) {
    Json token = {{"id", id}, {"content", content}, {"special", false}, {"normalized", false}};
    token[flag] = true;
    json["added_tokens"].push_back(token);
  };
  add(12, "<A>", "lstrip");
  add(13, "<B>", "rstrip");
  add(4, "cat", "single_word");
  add(14, "DOG", "normalized");
  const Tokenizer tokenizer = load(json);
  CHECK(tokenizer.vocabulary_size() == 15);
  const auto offsets_of = [&](const char* text) {
    const Encoding encoding = tokenizer.encode(text);
    std::vector<std::pair<std::uint32_t, std::uint32_t>> offsets;
    for (const TokenOffsets& offset : encoding.offsets)
      offsets.emplace_back(offset.begin, offset.end);
    offsets.pop_back();
    offsets.erase(offsets.begin());
    return offsets;
  };
  using Pairs = std::vector<std::pair<std::uint32_t, std::uint32_t>>;
  CHECK(tokenizer.encode("e  <A> e <B>  e").ids == Ids{2, 8, 12, 8, 13, 8, 3});
  CHECK(offsets_of("e  <A> e <B>  e") == Pairs{{0, 1}, {1, 6}, {7, 8}, {9, 14}, {14, 15}});
  CHECK(tokenizer.encode("cat cats Cat").ids == Ids{2, 4, 4, 5, 4, 3});
  CHECK(tokenizer.encode("xDoGx dög").ids == Ids{2, 1, 14, 1, 14, 3});
  CHECK(offsets_of("xDoGx dög") == Pairs{{0, 1}, {1, 4}, {4, 5}, {6, 9}});
}

TEST_CASE("a tokenizer that is not BERT's WordPiece is refused by its kind") {
  Json json = small_tokenizer();
  json["model"]["type"] = "BPE";
  CHECK(mentions(load_error(json), "model is of type BPE, not WordPiece"));
  json = small_tokenizer();
  json["normalizer"] = nullptr;
  CHECK(mentions(load_error(json), "normalizer is of type none, not BertNormalizer"));
  json = small_tokenizer();
  json["pre_tokenizer"]["type"] = "Metaspace";
  CHECK(mentions(load_error(json), "pre_tokenizer is of type Metaspace"));
  json = small_tokenizer();
  json.erase("post_processor");
  CHECK(mentions(load_error(json), "post_processor is of type none"));
}

TEST_CASE("a broken tokenizer file is refused with its name and reason") {
  Json json = small_tokenizer();
  json["model"]["vocab"].erase("[UNK]");
  CHECK(mentions(load_error(json), "no unknown token \"[UNK]\""));
  json = small_tokenizer();
  json["model"]["vocab"]["cat"] = -4;
  CHECK(mentions(load_error(json), "model.vocab \"cat\" is not a token id"));
  json = small_tokenizer();
  json["post_processor"].erase("cls");
  CHECK(mentions(load_error(json), "unexpected structure"));
  json = small_tokenizer();
  json["added_tokens"][0].erase("id");
  CHECK(mentions(load_error(json), "tokenizer.json"));

  const ScratchDirectory directory;
  const auto error_here = [&] {
    try {
      Tokenizer::load(directory.path());
    } catch (const TokenizerError& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  CHECK(mentions(error_here(), "has neither tokenizer.json nor vocab.txt"));
  write_file(directory / "vocab.txt", "[PAD]\n[UNK]\n[CLS]\ncat\n");
  CHECK(mentions(error_here(), "the vocabulary has no token \"[SEP]\""));
  write_file(directory / "tokenizer.json", "{\"model\":");
  CHECK(mentions(error_here(), "tokenizer.json is not valid JSON"));
}

TEST_CASE("rows are packed one after the other and the cut ones counted") {
  const Tokenizer tokenizer = Tokenizer::load(minilm);
  const std::vector<Row> rows{{"hello world", std::nullopt, "a", 1}, {"hello", "world", "b", 2}};
  const TokenizedRows packed = tokenize_rows(tokenizer, rows, 4);
  REQUIRE(packed.size() == 2);
  CHECK(packed.offsets == std::vector<std::int64_t>{0, 4, 8});
  CHECK(packed.ids == Ids{101, 7592, 2088, 102, 101, 102, 2088, 102});
  CHECK(packed.type_ids == std::vector<std::uint8_t>{0, 0, 0, 0, 0, 0, 1, 1});
  CHECK(packed.truncated_rows == 1);
  CHECK(packed.row_ids(1).size() == 4);
  CHECK(packed.row_ids(1)[0] == 101);
  CHECK(packed.row_type_ids(1)[3] == 1);
  const std::vector<TextInput> inputs{{"hello world", std::nullopt}};
  CHECK(tokenize_inputs(tokenizer, inputs, 0).ids == Ids{101, 7592, 2088, 102});
  CHECK(tokenize_rows(tokenizer, {}, 4).size() == 0);
}

}  // namespace
}  // namespace graft
