#include "services/wire/file_shape.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <vector>

#include "services/http/message.h"
#include "services/http/router.h"
#include "services/wire/json.h"
#include "trainer/contract/row_shape.h"

namespace graft {

namespace {

constexpr std::size_t most_bytes_read = std::size_t{2} << 20;
constexpr std::size_t most_line_bytes = std::size_t{1} << 20;

struct Fault {
  std::string_view param;
  const std::string& filename;

  [[noreturn]] void at(std::size_t line, const std::string& message) const {
    const std::string where = line > 0 ? filename + " line " + std::to_string(line) : filename;
    throw HttpError(400, where + ": " + message, "invalid_" + std::string(param),
                    std::string(param));
  }
};

struct Line {
  std::string text;
  std::size_t number = 0;
  std::string_view on;  // the line and all after it
};

// The first line that is not blank; nullopt: there is none in what was read.
std::optional<Line> first_line(std::string_view head) {
  std::size_t number = 0;
  while (!head.empty()) {
    const auto line = head.substr(0, head.find('\n'));
    ++number;
    if (!trim(line).empty()) return Line{std::string(line), number, head};
    head.remove_prefix(std::min(line.size() + 1, head.size()));
  }
  return std::nullopt;
}

void check_json_line(const Line& line, const Fault& fault) {
  const Json row = Json::parse(line.text, nullptr, false);
  if (row.is_discarded())
    fault.at(line.number, "is not valid JSON; each line must be one JSON object.");
  if (!row.is_object())
    fault.at(line.number, std::string("must be a JSON object, not ") + row.type_name() + ".");
  // A member that is null is one that is not there, for the worker too.
  const auto has = [&](std::string_view name) {
    const auto found = row.find(std::string(name));
    return found != row.end() && !found->is_null();
  };
  if (has("messages")) {
    if (!row["messages"].is_array()) fault.at(line.number, "member \"messages\" must be an array.");
    return;
  }
  const auto missing = missing_member(has);
  if (!missing.empty())
    fault.at(line.number, "member \"" + std::string(missing) +
                              "\" is missing; every row needs a text and a label.");
}

// Columns of the header record, quotes taken off as RFC 4180 says; nullopt: a quote stays open.
std::optional<std::vector<std::string>> columns_of(std::string_view head, char separator) {
  std::vector<std::string> columns(1);
  bool quoted = false;
  for (std::size_t i = 0; i < head.size(); ++i) {
    const char c = head[i];
    if (quoted) {
      if (c != '"')
        columns.back() += c;
      else if (i + 1 < head.size() && head[i + 1] == '"')
        columns.back() += '"', ++i;
      else
        quoted = false;
    } else if (c == '"' && columns.back().empty()) {
      quoted = true;
    } else if (c == separator) {
      columns.emplace_back();
    } else if (c == '\n') {
      break;
    } else if (c != '\r') {
      columns.back() += c;
    }
  }
  if (quoted) return std::nullopt;
  return columns;
}

void check_header(const Line& line, char separator, const Fault& fault) {
  auto columns = columns_of(line.on, separator);
  if (!columns) fault.at(line.number, "a quote in the header is not closed.");
  for (std::string& column : *columns) column = column_name(column);
  const auto has = [&](std::string_view name) {
    return std::find(columns->begin(), columns->end(), name) != columns->end();
  };
  // Columns without a name (an index that a spreadsheet wrote) are ignored, however many.
  for (auto column = columns->begin(); column != columns->end(); ++column)
    if (!column->empty() && std::find(columns->begin(), column, *column) != column)
      fault.at(line.number, "the header names column \"" + *column + "\" twice.");
  if (const auto missing = missing_member(has); !missing.empty())
    fault.at(line.number, "the header has no column \"" + std::string(missing) +
                              "\"; every row needs a text and a label.");
}

}  // namespace

void check_file_shape(const std::filesystem::path& path, const std::string& filename,
                      std::string_view param) {
  const Fault fault{param, filename};
  const std::optional<DataFormat> format = data_format_of(filename);
  if (!format)
    fault.at(0, "the name must end in .jsonl, .csv or .tsv; it says how to read the file.");
  std::ifstream stream(path, std::ios::binary);
  std::string head(most_bytes_read, '\0');
  stream.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<std::size_t>(stream.gcount()));
  if (head.empty()) fault.at(0, "is empty or cannot be read; upload it again.");
  if (head.starts_with("\xEF\xBB\xBF")) head.erase(0, 3);

  const auto line = first_line(head);
  if (!line) fault.at(0, "has no rows.");
  if (line->text.size() > most_line_bytes) fault.at(line->number, "is longer than 1 MiB.");
  if (!is_utf8(line->text)) fault.at(line->number, "is not UTF-8.");
  if (format == DataFormat::jsonl)
    check_json_line(*line, fault);
  else
    check_header(*line, format == DataFormat::csv ? ',' : '\t', fault);
}

}  // namespace graft
