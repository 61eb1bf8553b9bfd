#include "services/wire_file_shape.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <optional>
#include <vector>

#include "services/http.h"
#include "services/router.h"
#include "services/wire_json.h"

namespace graft {

namespace {

constexpr std::size_t most_bytes_read = std::size_t{2} << 20;
constexpr std::size_t most_line_bytes = std::size_t{1} << 20;

// The names by which rows are known, as in trainer/dataset.cpp; an empty second one: a single text.
struct RowShape {
  std::string_view first, second, label;
};
constexpr std::array<RowShape, 8> row_shapes = {{{"text", "text_pair", "label"},
                                                 {"sentence1", "sentence2", "label"},
                                                 {"premise", "hypothesis", "label"},
                                                 {"question1", "question2", "label"},
                                                 {"question", "sentence", "label"},
                                                 {"text", "", "label"},
                                                 {"sentence", "", "label"},
                                                 {"prompt", "", "completion"}}};

// The name that a row with these names lacks; empty: none. `has` tells whether it has a name.
template <class Has>
std::string_view missing_name(const Has& has) {
  std::string_view missing;
  for (const auto& shape : row_shapes) {
    const bool texts = has(shape.first) && (shape.second.empty() || has(shape.second));
    if (texts && has(shape.label)) return "";
    if (missing.empty() && texts) missing = shape.label;
  }
  for (const auto& shape : row_shapes) {
    if (!missing.empty() || shape.second.empty()) continue;
    if (has(shape.first))
      missing = shape.second;
    else if (has(shape.second))
      missing = shape.first;
  }
  return missing.empty() ? "text" : missing;
}

struct Fault {
  std::string_view param;
  const std::string& filename;

  [[noreturn]] void at(std::size_t line, const std::string& message) const {
    const std::string where = line > 0 ? filename + " line " + std::to_string(line) : filename;
    throw HttpError(400, where + ": " + message, "invalid_" + std::string(param),
                    std::string(param));
  }
};

std::string lower_suffix(std::string_view filename) {
  const auto dot = filename.rfind('.');
  std::string suffix(dot == filename.npos ? std::string_view() : filename.substr(dot));
  std::transform(suffix.begin(), suffix.end(), suffix.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return suffix;
}

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
    if (line.find_first_not_of(" \t\r") != line.npos) return Line{std::string(line), number, head};
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
  if (row.contains("messages")) {
    if (!row["messages"].is_array()) fault.at(line.number, "member \"messages\" must be an array.");
    return;
  }
  const auto missing = missing_name([&](auto name) { return row.contains(std::string(name)); });
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
  const auto columns = columns_of(line.on, separator);
  if (!columns) fault.at(line.number, "a quote in the header is not closed.");
  const auto has = [&](std::string_view name) {
    return std::find(columns->begin(), columns->end(), name) != columns->end();
  };
  for (auto column = columns->begin(); column != columns->end(); ++column)
    if (std::find(columns->begin(), column, *column) != column)
      fault.at(line.number, "the header names column \"" + *column + "\" twice.");
  if (const auto missing = missing_name(has); !missing.empty())
    fault.at(line.number, "the header has no column \"" + std::string(missing) +
                              "\"; every row needs a text and a label.");
}

}  // namespace

bool has_data_suffix(std::string_view filename) {
  const std::string suffix = lower_suffix(filename);
  return suffix == ".jsonl" || suffix == ".ndjson" || suffix == ".json" || suffix == ".csv" ||
         suffix == ".tsv";
}

void check_file_shape(const std::filesystem::path& path, const std::string& filename,
                      std::string_view param) {
  const Fault fault{param, filename};
  if (!has_data_suffix(filename))
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
  const std::string suffix = lower_suffix(filename);
  if (suffix == ".csv" || suffix == ".tsv")
    check_header(*line, suffix == ".csv" ? ',' : '\t', fault);
  else
    check_json_line(*line, fault);
}

}  // namespace graft
