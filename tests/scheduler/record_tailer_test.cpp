// Tailing record files: what is complete is read once, what is not stays.
#include "scheduler/record_tailer.h"

#include <doctest/doctest.h>

#include <fstream>
#include <string>
#include <string_view>
#include <variant>

#include "tests/support/scratch_directory.h"

using namespace graft;

namespace {

std::string notice(const std::string& message) {
  Notice body;
  body.level = "info";
  body.message = message;
  return write_record({1.5, body}) + "\n";
}

const std::string& message_of(const TailedRecord& tailed) {
  return std::get<Notice>(tailed.record.body).message;
}

struct RecordFile {
  ScratchDirectory scratch;
  std::filesystem::path path = scratch / "records.jsonl";
  void append(std::string_view text) {
    std::ofstream(path, std::ios::binary | std::ios::app) << text;
  }
};

}  // namespace

TEST_CASE("a record file that is not there yet has no records") {
  RecordFile file;
  const Tail tail = read_records(file.path, 0);
  CHECK(tail.records.empty());
  CHECK(tail.offset == 0);
  CHECK(tail.exhausted);
  CHECK_FALSE(read_last_record(file.path));
}

TEST_CASE("records are read on from the offset that was reached") {
  RecordFile file;
  file.append(notice("one") + notice("two"));
  const Tail first = read_records(file.path, 0);
  REQUIRE(first.records.size() == 2);
  CHECK(message_of(first.records[1]) == "two");
  CHECK(first.records[1].end == first.offset);

  file.append(notice("three"));
  const Tail second = read_records(file.path, first.offset);
  REQUIRE(second.records.size() == 1);
  CHECK(message_of(second.records[0]) == "three");
  CHECK(second.offset == static_cast<std::int64_t>(std::filesystem::file_size(file.path)));
}

TEST_CASE("a line without its newline stays until it has one") {
  RecordFile file;
  const std::string whole = notice("late");
  for (std::size_t cut = 1; cut < whole.size(); ++cut) {
    std::filesystem::remove(file.path);
    file.append(notice("early") + whole.substr(0, cut));
    const Tail first = read_records(file.path, 0);
    REQUIRE(first.records.size() == 1);
    CHECK(first.malformed.empty());
    file.append(whole.substr(cut));
    const Tail second = read_records(file.path, first.offset);
    REQUIRE(second.records.size() == 1);
    CHECK(message_of(second.records[0]) == "late");
  }
}

TEST_CASE("a line that is no record is stepped over and reported") {
  RecordFile file;
  file.append(notice("one") + "{\"time\": 1, \"type\": \"nonsense\"}\n\xff\xfe\n\n[]\n" +
              notice("two"));
  const Tail tail = read_records(file.path, 0);
  REQUIRE(tail.records.size() == 2);
  CHECK(message_of(tail.records[1]) == "two");
  CHECK(tail.malformed.size() == 3);
  CHECK(tail.offset == static_cast<std::int64_t>(std::filesystem::file_size(file.path)));
}

TEST_CASE("a long file is read in bounded pieces, each record once") {
  RecordFile file;
  std::string all;
  for (int i = 0; i < 500; ++i) all += notice("number " + std::to_string(i));
  file.append(all);
  std::int64_t offset = 0;
  int seen = 0, pieces = 0;
  for (bool exhausted = false; !exhausted; ++pieces) {
    const Tail tail = read_records(file.path, offset, 1000);
    for (const TailedRecord& record : tail.records) {
      CHECK(message_of(record) == "number " + std::to_string(seen++));
    }
    CHECK(tail.offset - offset <= 1000);
    offset = tail.offset;
    exhausted = tail.exhausted;
  }
  CHECK(seen == 500);
  CHECK(pieces > 20);
}

TEST_CASE("a single record may be longer than a piece") {
  RecordFile file;
  file.append(notice(std::string(10'000, 'x')) + notice("after"));
  const Tail first = read_records(file.path, 0, 100);
  REQUIRE(first.records.size() >= 1);
  CHECK(message_of(first.records[0]).size() == 10'000);
}

TEST_CASE("an endless line does not stop the reading of what follows") {
  RecordFile file;
  file.append(std::string(longest_record + 100, 'x') + "\n" + notice("after"));
  std::int64_t offset = 0;
  std::vector<TailedRecord> records;
  for (int i = 0; i < 4 && records.empty(); ++i) {
    const Tail tail = read_records(file.path, offset);
    CHECK(tail.offset > offset);
    offset = tail.offset;
    records = tail.records;
  }
  REQUIRE(records.size() == 1);
  CHECK(message_of(records[0]) == "after");
}

TEST_CASE("the last record is found whatever was read before") {
  RecordFile file;
  file.append(notice("one") + notice("two") + "{\"cut");
  const auto last = read_last_record(file.path);
  REQUIRE(last);
  CHECK(std::get<Notice>(last->body).message == "two");
}
