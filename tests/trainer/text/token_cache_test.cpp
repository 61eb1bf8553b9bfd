// Tokenized files: their bytes, the cache on disk, and lanes that share them.
#include "trainer/text/token_cache.h"

#include <doctest/doctest.h>

#include <chrono>

#include "tests/trainer/tiny_task.h"

namespace graft {
namespace {

const auto go_on = [] { return false; };

struct Fixture {
  ScratchDirectory scratch;
  Tokenizer tokenizer = Tokenizer::load(tiny_bert());
  std::string identity = tokenizer_identity(tiny_bert());
  std::filesystem::path directory = scratch.path() / "tokens";
  DataFile file = write("a.jsonl", tiny_rows(3, 30, 1));

  DataFile write(const std::string& name, const std::string& text) const {
    write_text(scratch.path() / name, text);
    return {(scratch.path() / name).string(), name, sha256_of_file(scratch.path() / name)};
  }
  TokenCache cache(std::uint64_t limit = TokenCache::default_limit) const {
    return TokenCache(directory, tokenizer, identity, limit);
  }
  std::vector<std::filesystem::path> kept() const {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(directory))
      files.push_back(entry.path());
    return files;
  }
};

bool same(const TokenizedFile& a, const TokenizedFile& b) {
  const auto equal = [](const auto& left, const auto& right) {
    return std::equal(left.begin(), left.end(), right.begin(), right.end());
  };
  return equal(a.tokens.ids, b.tokens.ids) && equal(a.tokens.type_ids, b.tokens.type_ids) &&
         equal(a.tokens.offsets, b.tokens.offsets) && equal(a.truncated, b.truncated) &&
         a.largest_id == b.largest_id && a.labels.labels == b.labels.labels &&
         a.labels.ids == b.labels.ids && a.labels.lines == b.labels.lines &&
         a.labels.pairs == b.labels.pairs;
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a tokenized file holds what the tokenizer says of each row") {
  const std::vector<Row> rows = read_rows(file, FileRole::training);
  const auto tokens = TokenCache({}, tokenizer, "").get(file, FileRole::training, 5, go_on);
  REQUIRE(tokens->rows() == rows.size());
  const TokenizedRows chosen = tokens->choose({7, 2, 29});
  REQUIRE(chosen.size() == 3);
  std::int64_t all_tokens = 0, cut = 0;
  for (const auto& [place, row] : {std::pair{0, 7}, {1, 2}, {2, 29}}) {
    const auto& text = rows[static_cast<std::size_t>(row)];
    const Encoding expected = tokenizer.encode(text.text, text.text_pair, 5);
    const auto at = static_cast<std::size_t>(place);
    const auto ids = chosen.row_ids(at);
    const auto types = chosen.row_type_ids(at);
    CHECK(std::vector<std::int32_t>(ids.begin(), ids.end()) == expected.ids);
    CHECK(std::vector<std::uint8_t>(types.begin(), types.end()) == expected.type_ids);
    CHECK(chosen.length(at) == static_cast<std::int64_t>(expected.ids.size()));
    all_tokens += chosen.length(at);
    cut += expected.truncated;
  }
  CHECK(chosen.tokens() == all_tokens);
  CHECK(chosen.truncated_rows == cut);
  CHECK(tokens->labels.labels == std::vector<std::string>{"bad", "good", "rain"});
  CHECK(tokens->labels.lines[4] == 5);
}

TEST_CASE_FIXTURE(Fixture,
                  "a second run finds the first one's tokens and does not read the texts") {
  const auto made = cache().get(file, FileRole::training, 16, go_on);
  REQUIRE(kept().size() == 1);
  const auto written = std::filesystem::last_write_time(kept()[0]);
  int asked = 0;
  const auto found = cache().get(file, FileRole::training, 16, [&] {
    ++asked;
    return true;  // tokenizing would give up
  });
  CHECK(asked == 0);
  REQUIRE(found);
  CHECK(same(*made, *found));
  CHECK(std::filesystem::last_write_time(kept()[0]) >= written);
}

TEST_CASE_FIXTURE(Fixture, "one cache gives every lane the same object") {
  TokenCache shared = cache();
  CHECK(shared.get(file, FileRole::training, 16, go_on) ==
        shared.get(file, FileRole::validation, 16, go_on));
}

TEST_CASE_FIXTURE(Fixture,
                  "other bytes, lengths and tokenizers are other keys, another name is not") {
  cache().get(file, FileRole::training, 16, go_on);
  cache().get(file, FileRole::training, 15, go_on);
  CHECK(kept().size() == 2);
  TokenCache(directory, tokenizer, "another").get(file, FileRole::training, 16, go_on);
  CHECK(kept().size() == 3);
  DataFile renamed = file;
  renamed.name = "a.JSON";
  cache().get(renamed, FileRole::training, 16, go_on);
  CHECK(kept().size() == 3);  // the same format
  renamed.name = "a.doc";
  CHECK_THROWS_AS(cache().get(renamed, FileRole::training, 16, go_on), DataError);
  const DataFile changed = write("a.jsonl", tiny_rows(2, 30, 1));
  DataFile lying = file;  // says the old hash of the new bytes
  CHECK(lying.sha256 != changed.sha256);
  CHECK(cache().get(lying, FileRole::training, 16, go_on)->labels.labels.size() == 2);
  CHECK(kept().size() == 4);
}

TEST_CASE_FIXTURE(Fixture, "a torn or damaged file is made anew") {
  const auto made = cache().get(file, FileRole::training, 16, go_on);
  const std::filesystem::path path = kept()[0];
  const std::string whole = read_text(path);
  std::vector<std::string> broken{"", whole.substr(0, 100), whole.substr(0, whole.size() - 1),
                                  whole + "x"};
  for (std::size_t place = 0; place < whole.size(); place += 97) {
    broken.push_back(whole);
    broken.back()[place] = static_cast<char>(broken.back()[place] ^ 1);
  }
  for (const std::string& bytes : broken) {
    write_text(scratch.path() / "broken", bytes);  // not over the file, which is mapped
    std::filesystem::rename(scratch.path() / "broken", path);
    const auto again = cache().get(file, FileRole::training, 16, go_on);
    CHECK(same(*made, *again));
    CHECK(read_text(path) == whole);
  }
}

TEST_CASE_FIXTURE(Fixture, "the least recently used files go where there are too many") {
  const DataFile b = write("b.jsonl", tiny_rows(3, 30, 2));
  const DataFile c = write("c.jsonl", tiny_rows(3, 30, 3));
  cache().get(file, FileRole::training, 16, go_on);
  const auto first = kept()[0];
  const auto bytes = std::filesystem::file_size(first);
  cache().get(b, FileRole::training, 16, go_on);
  const auto long_ago = std::filesystem::file_time_type::clock::now() - std::chrono::hours(1);
  for (const auto& path : kept()) std::filesystem::last_write_time(path, long_ago);
  cache().get(file, FileRole::training, 16, go_on);  // used
  cache(bytes * 5 / 2).get(c, FileRole::training, 16, go_on);
  CHECK(kept().size() == 2);
  CHECK(std::filesystem::exists(first));
}

TEST_CASE_FIXTURE(Fixture, "without room to keep them the tokens are there all the same") {
  const auto kept_nowhere =
      TokenCache({}, tokenizer, identity).get(file, FileRole::training, 16, go_on);
  CHECK(same(*cache(10).get(file, FileRole::training, 16, go_on), *kept_nowhere));
  CHECK(kept().empty());
  write_text(scratch.path() / "no-directory", "a file");
  TokenCache impossible(scratch.path() / "no-directory" / "tokens", tokenizer, identity);
  CHECK(same(*impossible.get(file, FileRole::training, 16, go_on), *kept_nowhere));
}

TEST_CASE_FIXTURE(Fixture, "a bad or missing file says what is wrong and is not kept") {
  const DataFile bad = write("bad.jsonl", "{\"text\": \"the cat\"}\n");
  CHECK_THROWS_WITH_AS(cache().get(bad, FileRole::training, 16, go_on),
                       doctest::Contains("bad.jsonl line 1"), DataError);
  DataFile gone = file;
  gone.path += ".gone";
  CHECK_THROWS_AS(cache().get(gone, FileRole::training, 16, go_on), DataError);
  CHECK(kept().empty());
}

TEST_CASE_FIXTURE(Fixture, "a wish to stop is heard while a file is tokenized") {
  CHECK(cache().get(file, FileRole::training, 16, [] { return true; }) == nullptr);
}

}  // namespace graft
