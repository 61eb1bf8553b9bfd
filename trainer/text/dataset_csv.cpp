// CSV and TSV: records of trainer/contract/separated.h to rows. Columns beyond the shape are
// ignored.
#include <algorithm>
#include <utility>
#include <vector>

#include "trainer/text/dataset_reading.h"
#include "trainer/text/row_doubts.h"

namespace graft {
namespace {

// A list in one field: `;` or `|` between its labels, nothing for none.
std::optional<RowFault> read_labels(std::string_view field, const SeparatedHeader& header,
                                    Row& row) {
  if (field.starts_with('[') && field.ends_with(']') && field.find_first_of(";|") == field.npos)
    return join_labels({std::string(field)}, header.shape.label, row.label);  // says why not
  std::vector<std::string> labels;
  while (!field.empty()) {
    const std::size_t end = std::min(field.find_first_of(";|"), field.size());
    if (const std::string_view label = trim(field.substr(0, end)); !label.empty())
      labels.emplace_back(label);
    field.remove_prefix(std::min(end + 1, field.size()));
  }
  if (auto bad = join_labels(std::move(labels), header.shape.label, row.label)) return bad;
  return check_row(row, header.shape);
}

std::optional<RowFault> read_row(SeparatedRecord& record, const SeparatedHeader& header, Row& row) {
  if (record.fields.size() != header.columns) {
    const std::size_t fields = record.fields.size();
    return RowFault{"",
                    "the row has " + std::to_string(fields) +
                        (fields == 1 ? " field, the header " : " fields, the header ") +
                        std::to_string(header.columns) +
                        (fields > header.columns ? "; a field that holds the separator needs quotes"
                                                 : "; add what is missing or remove the row")};
  }
  row.line = record.line;
  row.text = record.fields[header.text];
  if (!header.shape.pair.empty()) row.text_pair = record.fields[header.pair];
  const std::string_view field = trim(record.fields[header.label]);
  if (header.shape.form == TargetForm::label_list) return read_labels(field, header, row);
  row.label = field;
  return check_row(row, header.shape);
}

// The columns whose fields may say that a row is not to be used.
std::vector<std::size_t> columns_of_marks(const std::vector<std::string>& names) {
  std::vector<std::size_t> columns;
  for (std::size_t i = 0; i < names.size(); ++i)
    if (may_mark(names[i])) columns.push_back(i);
  return columns;
}

std::optional<RowFault> check_marks(const SeparatedRecord& record,
                                    const std::vector<std::string>& names,
                                    const std::vector<std::size_t>& columns, RowCollector& rows) {
  for (const std::size_t column : columns) {
    if (column >= record.fields.size()) continue;
    const RowMark mark = mark_of(names[column], record.fields[column]);
    if (mark == RowMark::rejected) return rejected_row(names[column], record.fields[column]);
    if (mark == RowMark::perhaps_discarded) rows.count_discarded(record.line);
  }
  return std::nullopt;
}

// A quotation over line ends. Of a TSV, whose readers mostly know no quotes, one that swallows
// what looks like rows is refused; of a CSV it is told.
std::optional<RowFault> check_quotation(const SeparatedRecord& record,
                                        const SeparatedHeader& header, DataFormat format,
                                        RowCollector& rows) {
  const std::string_view bytes = record.bytes;
  const auto lines = std::count(bytes.begin(), bytes.end(), '\n') + (bytes.ends_with('\n') ? 0 : 1);
  if (lines < 2) return std::nullopt;
  const bool doubtful = lines_look_like_rows(record, header.separator, header.columns);
  if (doubtful && format == DataFormat::tsv)
    return RowFault{"", "a quotation runs on to line " + std::to_string(record.line + lines - 1) +
                            " and takes the lines up to there into one row; if the quotes are part "
                            "of the texts, write each twice and quote the whole field"};
  rows.count_long_quotation(record.line, doubtful);
  return std::nullopt;
}

}  // namespace

void read_separated(std::string_view text, std::size_t file_offset, DataFormat format,
                    const RowWish& wish, RowCollector& rows) {
  const auto read = read_separated_header(text, format, wish);
  SeparatedRecord record;
  if (const auto* fault = std::get_if<HeaderFault>(&read)) {
    SeparatedReader first(text, '\n');  // bytes that are no text say more than missing columns
    if (first.next(record))
      if (const auto bad = find_bad_bytes(record.bytes, file_offset)) rows.fail(1, *bad);
    rows.fail(fault->line, {fault->member, fault->problem});
  }
  const auto& header = std::get<SeparatedHeader>(read);
  rows.set_shape(header.shape);
  const char usual = format == DataFormat::tsv ? '\t' : ',';
  if (header.separator != usual)
    rows.note({"info", "Columns were read as separated by " + separator_name(header.separator) +
                           (header.sep_line ? ", as the line sep= says." : ".")});
  SeparatedReader reader(text, header.separator);
  if (header.sep_line) reader.skip_line();
  bool in_header = true;
  std::vector<std::string> names;
  std::vector<std::size_t> marks;
  while (reader.next(record)) {
    std::optional<RowFault> fault = find_bad_bytes(record.bytes, file_offset + record.offset);
    if (!fault && record.fault) fault = RowFault{"", *record.fault};
    if (!fault && record.blank()) continue;
    if (std::exchange(in_header, false)) {
      if (fault) rows.fail(record.line, *fault);
      names = record.fields;
      marks = columns_of_marks(names);
      // What was asked for is no mark.
      if (!wish.columns.label.empty()) std::erase(marks, header.label);
      if (!wish.columns.text.empty()) std::erase(marks, header.text);
      continue;
    }
    Row row;
    if (!fault && record.fields == names)
      fault =
          RowFault{"", "the header stands here again, as where files were joined; remove the row"};
    if (!fault) {
      const std::string_view label =
          header.label < record.fields.size() ? record.fields[header.label] : std::string_view();
      if (trim(label).size() < label.size()) rows.count_trimmed_label(record.line);
      fault = check_marks(record, names, marks, rows);
      if (!fault) fault = read_row(record, header, row);
    }
    if (!fault) fault = check_quotation(record, header, format, rows);
    if (fault) {
      rows.add_fault(record.line, *fault);
    } else {
      rows.add(std::move(row));
    }
  }
}

}  // namespace graft
