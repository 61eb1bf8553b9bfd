// Between dataset.cpp and its readers of JSONL and CSV: how a row is put together, checked and,
// where it is bad, counted. No state but the collector's: one thread a collector.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/contract/row_shape.h"
#include "trainer/text/dataset.h"

namespace graft {

// Why a row is no good, without file and line.
struct RowFault {
  std::string member;
  std::string problem;
};

// Byte offset of the first byte that is not UTF-8, or of a NUL.
std::optional<RowFault> find_bad_bytes(std::string_view text, std::size_t offset_in_file);

// A finished row's own checks: something in text, pair and label; a label that fits in a list.
std::optional<RowFault> check_row(const Row& row, const RowShape& shape);

// Keeps rows until the first fault, then only counts.
class RowCollector {
 public:
  RowCollector(FileRole role, std::string file_name);

  void add(Row row);
  void add_fault(std::int64_t line, RowFault fault);

  // Throws DataError where a fault was added or no row.
  std::vector<Row> finish();

  // For a fault that leaves nothing to read on.
  [[noreturn]] void fail(std::int64_t line, const RowFault& fault) const;

 private:
  struct Fault {
    std::int64_t line;
    RowFault fault;
  };
  FileRole role_;
  std::string file_name_;
  std::vector<Row> rows_;
  std::optional<Fault> first_fault_;
  std::int64_t further_faults_ = 0;
};

// The whole file without its byte order mark; file_offset: bytes cut off before `text`.
void read_jsonl(std::string_view text, std::size_t file_offset, RowCollector& rows);
void read_separated(std::string_view text, std::size_t file_offset, char separator,
                    RowCollector& rows);

}  // namespace graft
