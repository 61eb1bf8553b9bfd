// CSV and TSV per RFC 4180: quoted fields may hold separators, line ends and doubled quotes; lines
// end in LF or CRLF. The header names the columns; columns beyond the shape are ignored.
#include <algorithm>

#include "trainer/text/dataset_reading.h"

namespace graft {
namespace {

// A record of the file, over several line ends where a field holds them.
struct Line {
  std::vector<std::string> fields;
  std::int64_t line = 0;   // where it began
  std::string_view bytes;  // as in the file
  std::size_t offset = 0;  // of `bytes` within the text
  std::optional<RowFault> fault;
};

// Reads record after record; a fault inside one leaves the reader at the next line end.
class LineReader {
 public:
  LineReader(std::string_view text, char separator) : text_(text), separator_(separator) {}

  // False at the end of the text.
  bool next(Line& record) {
    if (position_ >= text_.size()) return false;
    record.fields.clear();
    record.fault.reset();
    record.line = line_;
    record.offset = position_;
    bool more = true;
    while (more && !record.fault) more = read_field(record);
    if (record.fault) skip_line();
    record.bytes = text_.substr(record.offset, position_ - record.offset);
    if (record.bytes.size() > max_line_bytes && !record.fault) {
      record.fault = RowFault{"", "the row is longer than 1 MiB"};
    }
    return true;
  }

 private:
  // True where another field follows in the record.
  bool read_field(Line& record) {
    std::string& field = record.fields.emplace_back();
    if (position_ < text_.size() && text_[position_] == '"') {
      if (!read_quoted(record, field)) return false;
    } else {
      const char ends[] = {separator_, '\n'};
      const std::size_t end =
          std::min(text_.find_first_of(std::string_view(ends, 2), position_), text_.size());
      field = text_.substr(position_, end - position_);
      position_ = end;
      if (end < text_.size() && text_[end] == '\n' && field.ends_with('\r')) field.pop_back();
    }
    if (position_ >= text_.size()) return false;
    if (text_[position_] == separator_) {
      ++position_;
      return true;
    }
    skip_line();
    return false;
  }

  // Leaves the position at a separator, a line feed or the end.
  bool read_quoted(Line& record, std::string& field) {
    const std::int64_t first_line = line_;
    const std::size_t begin = position_;
    const auto unclosed = [&] {
      position_ = begin;
      line_ = first_line;
      const std::string where =
          first_line == record.line ? "" : " in line " + std::to_string(first_line);
      record.fault =
          RowFault{"", "the quote that opens field " + std::to_string(record.fields.size()) +
                           where + " is never closed; a quote inside a field is written twice"};
      return false;
    };
    ++position_;
    while (true) {
      const std::size_t quote = text_.find('"', position_);
      if (quote == std::string_view::npos || quote - begin > max_line_bytes) return unclosed();
      field.append(text_, position_, quote - position_);
      line_ += std::count(text_.begin() + static_cast<std::ptrdiff_t>(position_),
                          text_.begin() + static_cast<std::ptrdiff_t>(quote), '\n');
      position_ = quote + 1;
      if (position_ >= text_.size() || text_[position_] != '"') break;
      field += '"';
      ++position_;
    }
    const std::string_view rest = text_.substr(position_, 2);
    if (rest.starts_with('\r') && (rest.size() == 1 || rest[1] == '\n')) ++position_;
    if (position_ >= text_.size() || text_[position_] == separator_ || text_[position_] == '\n')
      return true;
    record.fault = RowFault{"", "text follows the closing quote of field " +
                                    std::to_string(record.fields.size()) +
                                    "; a quote inside a field is written twice"};
    return false;
  }

  void skip_line() {
    const std::size_t newline = text_.find('\n', position_);
    position_ = newline == std::string_view::npos ? text_.size() : newline + 1;
    ++line_;
  }

  std::string_view text_;
  char separator_;
  std::size_t position_ = 0;
  std::int64_t line_ = 1;
};

bool is_blank(const Line& record) {
  return !record.fault && record.fields.size() == 1 && trim(record.bytes).empty();
}

// Where the columns of a shape stand.
struct Columns {
  RowShape shape;
  std::size_t count = 0;
  std::size_t text = 0, pair = 0, label = 0;
};

std::optional<RowFault> read_header(const Line& header, char separator, Columns& columns) {
  std::vector<std::string> names;
  std::string list;
  for (const std::string& field : header.fields) {
    names.push_back(column_name(field));
    // Columns without a name (an index that a spreadsheet wrote) are ignored, however many.
    if (!names.back().empty() && std::count(names.begin(), names.end(), names.back()) > 1) {
      return RowFault{names.back(), "the header names the column \"" + names.back() + "\" twice"};
    }
    list += (list.empty() ? "" : ", ") + names.back();
  }
  const auto index_of = [&](std::string_view name) {
    return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
  };
  const auto has = [&](std::string_view name) { return index_of(name) < names.size(); };
  std::string hint = "; the columns are: " + list;
  if (names.size() == 1) {
    hint += std::string("; columns are separated by ") + (separator == '\t' ? "tabs" : "commas");
  }
  const std::optional<RowShape> shape = find_shape(has);
  if (!shape) {
    return RowFault{"text", "the header names no column for the text; name it " +
                                std::string(known_text_members) + hint};
  }
  if (!has(shape->label)) {
    return RowFault{std::string(shape->label),
                    "the header names no column \"" + std::string(shape->label) + "\"" + hint};
  }
  columns = {*shape, names.size(), index_of(shape->text), index_of(shape->pair),
             index_of(shape->label)};
  return std::nullopt;
}

std::optional<RowFault> read_row(Line& record, const Columns& columns, Row& row) {
  if (record.fields.size() != columns.count) {
    return RowFault{"", "the row has " + std::to_string(record.fields.size()) +
                            " fields, the header " + std::to_string(columns.count) +
                            "; a field that holds the separator needs quotes"};
  }
  row.line = record.line;
  row.text = std::move(record.fields[columns.text]);
  if (!columns.shape.pair.empty()) row.text_pair = std::move(record.fields[columns.pair]);
  row.label = trim(record.fields[columns.label]);
  return check_row(row, columns.shape);
}

}  // namespace

void read_separated(std::string_view text, std::size_t file_offset, char separator,
                    RowCollector& rows) {
  LineReader reader(text, separator);
  Line record;
  std::optional<Columns> columns;
  while (reader.next(record)) {
    std::optional<RowFault> fault = find_bad_bytes(record.bytes, file_offset + record.offset);
    if (!fault) fault = std::move(record.fault);
    if (!fault && is_blank(record)) continue;
    if (!columns) {
      Columns header;
      if (!fault) fault = read_header(record, separator, header);
      if (fault) rows.fail(record.line, *fault);
      columns = header;
      continue;
    }
    Row row;
    if (!fault) fault = read_row(record, *columns, row);
    if (fault) {
      rows.add_fault(record.line, *std::move(fault));
    } else {
      rows.add(std::move(row));
    }
  }
}

}  // namespace graft
