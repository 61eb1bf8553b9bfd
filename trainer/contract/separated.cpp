// Records, headers, separators.
#include "trainer/contract/separated.h"

#include <algorithm>
#include <utility>

namespace graft {
namespace {

constexpr std::string_view separators = ",;\t|";
constexpr std::size_t most_listed = 300;  // bytes of column names in a sentence
constexpr int lines_below_a_title = 5;    // that are looked at for the real header

struct Names {
  std::vector<std::string> columns;
  RowWish wish;  // its names as a header means them

  Names(const SeparatedRecord& header, const RowWish& asked) : wish(asked) {
    for (std::string* name : {&wish.columns.text, &wish.columns.text_pair, &wish.columns.label})
      *name = column_name(*name);
    for (const std::string& field : header.fields) columns.push_back(column_name(field));
  }
  std::size_t index_of(std::string_view name) const {
    const auto found = std::find(columns.begin(), columns.end(), name);
    return static_cast<std::size_t>(found - columns.begin());
  }
  bool has(std::string_view name) const { return index_of(name) < columns.size(); }
  std::optional<RowShape> shape() const {
    return find_shape([&](std::string_view name) { return has(name); }, wish);
  }
  bool complete() const {
    const auto found = shape();
    return found && has(found->text) && (found->pair.empty() || has(found->pair)) &&
           has(found->label);
  }
  std::string list() const {
    std::string list;
    for (const std::string& column : columns) {
      if (list.size() > most_listed) return list + ", …";
      list += (list.empty() ? "" : ", ") + std::string(cut_text(column, most_listed));
    }
    return list;
  }
};

bool first_record(std::string_view text, char separator, bool sep_line, SeparatedRecord& record) {
  SeparatedReader reader(text, separator);
  if (sep_line) reader.skip_line();
  while (reader.next(record))
    if (!record.blank()) return true;
  return false;
}

// What stands behind sep= on the first line; nullopt: the file does not begin so.
std::optional<std::string_view> sep_line_of(std::string_view text) {
  std::string_view line = text.substr(0, text.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.size() > 1 && line.front() == '"' && line.back() == '"')
    line = line.substr(1, line.size() - 2);
  if (line.size() > 16 || column_name(line.substr(0, 4)) != "sep=") return std::nullopt;
  return line.substr(4);
}

// The line below a title at which the header really stands; 0: none.
std::int64_t header_below(std::string_view text, std::string_view candidates, const RowWish& wish) {
  for (const char separator : candidates) {
    SeparatedReader reader(text, separator);
    SeparatedRecord record;
    for (int line = 0; line <= lines_below_a_title && reader.next(record); ++line)
      if (line > 0 && !record.fault && Names(record, wish).complete()) return record.line;
  }
  return 0;
}

HeaderFault header_fault(std::string_view text, std::string_view candidates, bool sep_line,
                         const RowWish& wish) {
  SeparatedRecord best;
  char separator = candidates.front();
  for (const char candidate : candidates) {
    SeparatedRecord record;
    if (!first_record(text, candidate, sep_line, record)) return {0, "", std::string(no_rows)};
    if (candidate == candidates.front() ||
        (!record.fault && record.fields.size() > best.fields.size())) {
      best = record;
      separator = candidate;
    }
  }
  if (best.fault) return {best.line, "", *best.fault};
  const Names names(best, wish);
  std::string hint = "; the columns are: " + names.list();
  if (names.columns.size() == 1)
    hint += "; columns are separated by " + separator_name(candidates.front());
  else if (separator != candidates.front())
    hint += " (separated by " + separator_name(separator) + ")";
  if (const std::int64_t line = header_below(text, candidates, wish))
    hint +=
        "; line " + std::to_string(line) + " looks like the header: remove what stands above it";
  const auto shape = names.shape();
  if (!shape)
    return {best.line, "text",
            "the header names no column for the text; name it " + std::string(known_text_members) +
                hint};
  const std::string missing =
      missing_member([&](std::string_view name) { return names.has(name); }, names.wish);
  return {best.line, missing, "the header names no column \"" + missing + "\"" + hint};
}

}  // namespace

// ---- Records -----------------------------------------------------------------------------------

bool SeparatedReader::next(SeparatedRecord& record) {
  if (position_ >= text_.size()) return false;
  record.fields.clear();
  record.fault.reset();
  record.line = line_;
  record.offset = position_;
  bool more = true;
  while (more && !record.fault) more = read_field(record);
  if (record.fault) skip_line();
  record.bytes = text_.substr(record.offset, position_ - record.offset);
  if (record.bytes.size() > max_line_bytes && !record.fault) record.fault = line_too_long;
  return true;
}

// True where another field follows in the record.
bool SeparatedReader::read_field(SeparatedRecord& record) {
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
    // A blank before the quotes makes them part of the field for some readers and not for others.
    const std::string_view inner = trim(field);
    if (inner.size() > 1 && inner.starts_with('"') && inner.ends_with('"')) {
      record.fault = "field " + std::to_string(record.fields.size()) +
                     " has a blank before its quotes, which readers understand differently; remove "
                     "the blank";
      return false;
    }
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
bool SeparatedReader::read_quoted(SeparatedRecord& record, std::string& field) {
  const std::int64_t first_line = line_;
  const std::size_t begin = position_;
  const std::string number = std::to_string(record.fields.size());
  const auto unclosed = [&] {
    position_ = begin;
    line_ = first_line;
    const std::string where =
        first_line == record.line ? "" : " in line " + std::to_string(first_line);
    record.fault = "the quote that opens field " + number + where +
                   " is never closed; a quote inside a field is written twice";
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
  record.fault = "text follows the closing quote of field " + number +
                 "; a quote inside a field is written twice" +
                 (field.ends_with('\\') ? ", not with a backslash" : "");
  return false;
}

void SeparatedReader::skip_line() {
  const std::size_t newline = text_.find('\n', position_);
  position_ = newline == std::string_view::npos ? text_.size() : newline + 1;
  ++line_;
}

// ---- Headers -----------------------------------------------------------------------------------

std::variant<SeparatedHeader, HeaderFault> read_separated_header(std::string_view text,
                                                                 DataFormat format,
                                                                 const RowWish& wish) {
  const std::string_view head = text.substr(0, max_line_bytes);
  if (head.find('\n') == head.npos && head.find('\r') != head.npos)
    return HeaderFault{1, "", "lines end in CR alone; save the file with LF or CRLF"};
  std::string candidates(1, format == DataFormat::tsv ? '\t' : ',');
  for (const char separator : separators)
    if (separator != candidates.front()) candidates += separator;
  const auto sep_line = sep_line_of(text);
  if (sep_line) {
    if (sep_line->size() != 1 || separators.find(sep_line->front()) == separators.npos)
      return HeaderFault{1, "", "the line sep= names no separator; it may be , ; | or a tab"};
    candidates = *sep_line;
  }
  for (const char separator : candidates) {
    SeparatedRecord record;
    if (!first_record(text, separator, sep_line.has_value(), record) || record.fault) continue;
    const Names names(record, wish);
    if (!names.complete()) continue;
    // Columns without a name (an index that a spreadsheet wrote) are ignored, however many.
    for (auto column = names.columns.begin(); column != names.columns.end(); ++column)
      if (!column->empty() && std::find(names.columns.begin(), column, *column) != column)
        return HeaderFault{
            record.line, *column,
            "the header names the column \"" + *column + "\" twice; remove or rename one of them"};
    const RowShape shape = *names.shape();
    const auto rivals = rivals_of(
        shape, [&](std::string_view name) { return names.has(name); }, names.wish);
    if (!rivals.empty())
      return HeaderFault{record.line, shape.label, "the columns " + rivals_in_words(shape, rivals)};
    return SeparatedHeader{separator,
                           sep_line.has_value(),
                           shape,
                           names.columns.size(),
                           names.index_of(shape.text),
                           names.index_of(shape.pair),
                           names.index_of(shape.label)};
  }
  return header_fault(text, candidates, sep_line.has_value(), wish);
}

std::string separator_name(char separator) {
  switch (separator) {
    case ',':
      return "commas";
    case ';':
      return "semicolons";
    case '\t':
      return "tabs";
    default:
      return "bars (|)";
  }
}

bool lines_look_like_rows(const SeparatedRecord& record, char separator, std::size_t columns) {
  std::string_view rest = record.bytes;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const auto count = static_cast<std::size_t>(std::count(line.begin(), line.end(), separator));
    if (count + 1 != columns) return false;
  }
  return true;
}

}  // namespace graft
