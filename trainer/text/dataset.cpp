// Files to rows, rows to class ids, and the split. The readers are dataset_jsonl and dataset_csv.
#include "trainer/text/dataset.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string_view>
#include <utility>

#include "trainer/contract/data_bytes.h"
#include "trainer/contract/seeded_random.h"
#include "trainer/text/dataset_reading.h"
#include "trainer/text/log.h"
#include "trainer/text/mapped_file.h"
#include "trainer/text/row_doubts.h"

namespace graft {
namespace {

std::string describe(const std::string& file_name, std::int64_t line, const std::string& problem) {
  const std::string place = line > 0 ? file_name + " line " + std::to_string(line) : file_name;
  return place + ": " + problem;
}

void read_text(std::string_view text, const DataFile& file, const RowWish& wish,
               RowCollector& rows) {
  DecodedData decoded;
  decode_data(text, max_decoded_bytes, false, decoded);
  if (!decoded.problem.empty()) rows.fail(0, {"", decoded.problem});
  for (std::string& note : decoded.notes) rows.note({"info", std::move(note)});
  text = decoded.text;
  const std::size_t offset = decoded.offset;
  if (text.empty()) rows.fail(0, {"", "the file is empty; upload one with rows"});
  const std::optional<DataFormat> format = data_format_of(file.name);
  if (format == DataFormat::jsonl) {
    read_jsonl(text, offset, wish, rows);
  } else if (format) {
    read_separated(text, offset, *format, wish, rows);
  } else {
    rows.fail(0, {"",
                  "the name tells no known format; it must end in .jsonl, .csv or .tsv, with or "
                  "without .gz"});
  }
}

}  // namespace

// ---- Errors ------------------------------------------------------------------------------------

DataError::DataError(FileRole file_role, const std::string& file_name, std::int64_t at_line,
                     std::string at_member, const std::string& problem)
    : std::runtime_error(describe(file_name, at_line, problem)),
      role(file_role),
      line(at_line),
      member(std::move(at_member)) {}

std::string DataError::code() const {
  return "invalid_" + param();
}

std::string DataError::param() const {
  return role == FileRole::training ? "training_file" : "validation_file";
}

// ---- Files, tasks and splits -------------------------------------------------------------------

std::vector<Row> read_rows(const DataFile& file, FileRole role, const RowWish& wish) {
  return read_data(file, role, wish).rows;
}

DataRows read_data(const DataFile& file, FileRole role, const RowWish& wish) {
  RowCollector rows(role, file.name);
  try {
    const MappedFile mapped(file.path);
    mapped.expect_sequential_reading();
    if (mapped.size() == 0) rows.fail(0, {"", "the file is empty; upload one with rows"});
    read_text(mapped.text(), file, wish, rows);
  } catch (const MappedFileError& error) {
    log_error(file.name + ": " + error.what());
    throw DataError(role, file.name, 0, "", "the stored file is gone; upload it again");
  }
  return rows.finish();
}

LabelColumn label_column(const DataRows& data) {
  const std::vector<Row>& rows = data.rows;
  LabelColumn column;
  std::vector<std::string_view> all;
  all.reserve(rows.size());
  for (const Row& row : rows) all.push_back(row.label);
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  column.labels.assign(all.begin(), all.end());
  for (const Row& row : rows) {
    const auto found = std::lower_bound(all.begin(), all.end(), row.label);
    column.ids.push_back(static_cast<std::int32_t>(found - all.begin()));
    column.lines.push_back(row.line);
  }
  column.pairs = !rows.empty() && rows.front().text_pair.has_value();
  column.form = data.form;
  column.fraction_line = data.fraction_line;
  return column;
}

Split split_validation(std::span<const std::int32_t> class_ids, double fraction,
                       std::uint64_t seed) {
  const auto largest = std::max_element(class_ids.begin(), class_ids.end());
  const std::size_t classes =
      largest == class_ids.end() ? 0 : static_cast<std::size_t>(*largest) + 1;
  std::vector<std::vector<std::size_t>> rows_of_class(classes);
  for (std::size_t row = 0; row < class_ids.size(); ++row) {
    rows_of_class[static_cast<std::size_t>(class_ids[row])].push_back(row);
  }
  std::vector<bool> in_validation(class_ids.size(), false);
  for (std::size_t id = 0; id < classes; ++id) {
    const std::vector<std::size_t>& rows = rows_of_class[id];
    if (rows.empty()) continue;
    const auto wanted =
        static_cast<std::size_t>(std::lround(fraction * static_cast<double>(rows.size())));
    const std::vector<std::size_t> order = permutation(rows.size(), seed, id);
    for (std::size_t i = 0; i < std::min(wanted, rows.size() - 1); ++i) {
      in_validation[rows[order[i]]] = true;
    }
  }
  Split split;
  for (std::size_t row = 0; row < class_ids.size(); ++row) {
    (in_validation[row] ? split.validation : split.training).push_back(row);
  }
  return split;
}

}  // namespace graft
