// Reads new lines of a records.jsonl from an offset, a bounded piece at a time.
// A last line without its newline stays for later; a line that is no record is stepped over and
// reported. No state; for the scheduler's thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "trainer/contract/record.h"

namespace graft {

struct TailedRecord {
  Record record;
  std::int64_t end = 0;  // offset behind its newline
};

struct Tail {
  std::vector<TailedRecord> records;
  std::vector<std::string> malformed;  // why, for the log; a line each
  std::int64_t offset = 0;             // behind the last complete line read
  bool exhausted = true;               // no complete line follows
};

inline constexpr std::int64_t default_tail_bytes = 256 * 1024;
// A line longer than this is no record: it is stepped over.
inline constexpr std::int64_t longest_record = 16 * 1024 * 1024;

// Reads about `max_bytes` from `offset` on, more only where a single line is longer. A missing file
// has no lines. Throws std::system_error where the file cannot be read.
Tail read_records(const std::filesystem::path& file, std::int64_t offset,
                  std::int64_t max_bytes = default_tail_bytes);

// The last complete record of the file, whatever was read before; nullopt: none that can be read.
std::optional<Record> read_last_record(const std::filesystem::path& file);

}  // namespace graft
