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

// Byte offset of the first byte that is not UTF-8, or of a NUL.
std::optional<RowFault> find_bad_bytes(std::string_view text, std::size_t offset_in_file);

// For a sentence, cut where it is long.
std::string quoted_label(std::string_view label);

std::optional<RowFault> check_label(std::string_view label, std::string_view member);

// The labels of a list as a row has them: in their order, joined. A fault where one is empty,
// stands twice or is the text of a list.
std::optional<RowFault> join_labels(std::vector<std::string> labels, std::string_view member,
                                    std::string& joined);

// A finished row's own checks: something in text, pair and label; a label that fits in a list.
std::optional<RowFault> check_row(const Row& row, const RowShape& shape);

// The first faults of a file, by line, as one refusal of bounded length.
class FaultList {
 public:
  FaultList(FileRole role, std::string file_name) : role_(role), file_name_(std::move(file_name)) {}

  void add(std::int64_t line, const RowFault& fault);
  bool empty() const { return count_ == 0; }
  bool full() const {
    return count_ >= static_cast<std::int64_t>(most_faults_told);
  }  // then counted
  void throw_if_any() const;

 private:
  FileRole role_;
  std::string file_name_;
  std::int64_t count_ = 0, first_line_ = 0;
  std::string first_member_, text_;
};

// Keeps rows until the first fault; of what was changed or is doubtful, how often and where first.
class RowCollector {
 public:
  RowCollector(FileRole role, std::string file_name);

  void add(Row row);
  void add_fault(std::int64_t line, const RowFault& fault);

  void note(DataNote note) { notes_.push_back(std::move(note)); }
  const std::string& file_name() const { return file_name_; }
  // A row that says of itself that it may be discarded.
  void count_discarded(std::int64_t line) { discarded_.add(line); }
  void set_shape(const RowShape& shape);
  // A label that JSON has as a fractional number.
  void count_fraction(std::int64_t line) { fractions_.add(line); }
  void count_trimmed_label(std::int64_t line) { trimmed_labels_.add(line); }
  // A row whose quotation runs over line ends; doubtful: each of its lines might be a row.
  void count_long_quotation(std::int64_t line, bool doubtful);

  // Throws DataError where a fault was added or no row.
  DataRows finish();

  // For a fault that leaves nothing to read on.
  [[noreturn]] void fail(std::int64_t line, const RowFault& fault) const;

 private:
  struct Tally {
    std::int64_t count = 0, first_line = 0;
    void add(std::int64_t line) {
      if (count++ == 0) first_line = line;
    }
  };
  FileRole role_;
  std::string file_name_;
  std::vector<Row> rows_;
  std::vector<DataNote> notes_;
  Tally trimmed_labels_, long_quotations_, doubtful_quotations_, discarded_;
  Tally missing_texts_, entities_, tags_, damaged_, fractions_;
  TargetForm form_ = TargetForm::label;
  FaultList faults_;
};

// The whole file without its byte order mark; file_offset: bytes cut off before `text`.
void read_jsonl(std::string_view text, std::size_t file_offset, const RowWish& wish,
                RowCollector& rows);
void read_separated(std::string_view text, std::size_t file_offset, DataFormat format,
                    const RowWish& wish, RowCollector& rows);

}  // namespace graft
