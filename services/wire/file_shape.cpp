#include "services/wire/file_shape.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <variant>

#include "services/http/message.h"
#include "services/http/router.h"
#include "services/wire/json.h"
#include "trainer/contract/data_bytes.h"
#include "trainer/contract/json_row.h"
#include "trainer/contract/row_shape.h"
#include "trainer/contract/separated.h"

namespace graft {

namespace {

constexpr std::size_t most_bytes_read = std::size_t{2} << 20;

constexpr std::string_view not_utf8 = "the line is not UTF-8; save the file as UTF-8.";

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
};

// The first line that is not blank; nullopt: there is none in what was read.
std::optional<Line> first_line(std::string_view head) {
  std::size_t number = 0;
  while (!head.empty()) {
    const auto line = head.substr(0, head.find('\n'));
    ++number;
    if (!trim(line).empty()) return Line{std::string(line), number};
    head.remove_prefix(std::min(line.size() + 1, head.size()));
  }
  return std::nullopt;
}

void check_json_line(const Line& line, const RowWish& wish, const Fault& fault) {
  const auto read = read_json_row(line.text);
  if (const auto* bad = std::get_if<RowFault>(&read)) fault.at(line.number, bad->problem + ".");
  const auto& row = std::get<JsonRow>(read).object;
  const auto has = [&](std::string_view name) { return find_member(row, name) != nullptr; };
  if (has("messages") && wish.columns == Columns()) {
    if (!row["messages"].is_array())
      fault.at(line.number, "member \"messages\" must be a list of messages.");
    return;
  }
  const auto shape = find_shape(members_of(row), wish);
  const bool null_target = shape && row.contains(shape->label) && !has(shape->label);
  const std::string missing = null_target ? shape->label : missing_member(has, wish);
  if (missing.empty()) {
    if (const auto rivals = rivals_of(*shape, has, wish); !rivals.empty())
      fault.at(line.number, "members " + rivals_in_words(*shape, rivals) + ".");
    return;
  }
  const RowFault bad = missing == "text" && wish.columns.text.empty()
                           ? no_text_member(row)
                           : absent_member(row, missing, "every row needs a text and a label");
  fault.at(line.number, bad.problem + ".");
}

}  // namespace

void check_file_shape(const std::filesystem::path& path, const std::string& filename,
                      std::string_view param, const RowWish& wish) {
  const Fault fault{param, filename};
  const std::optional<DataFormat> format = data_format_of(filename);
  if (!format)
    fault.at(0,
             "the name must end in .jsonl, .csv or .tsv, with or without .gz; it says how to read "
             "the file.");
  std::ifstream stream(path, std::ios::binary);
  std::string head(most_bytes_read, '\0');
  stream.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<std::size_t>(stream.gcount()));
  if (head.empty()) fault.at(0, "the file is empty or cannot be read; upload it again.");
  DecodedData decoded;
  decode_data(head, most_bytes_read, true, decoded);
  if (!decoded.problem.empty()) fault.at(0, decoded.problem + ".");

  if (format == DataFormat::jsonl)
    if (const auto array = array_over_file(decoded.text, filename)) fault.at(0, *array + ".");
  const auto line = first_line(decoded.text);
  if (!line) fault.at(0, std::string(no_rows) + ".");
  if (line->text.size() > max_line_bytes) fault.at(line->number, std::string(line_too_long) + ".");
  if (!is_utf8(line->text)) fault.at(line->number, std::string(not_utf8));
  if (format == DataFormat::jsonl) {
    check_json_line(*line, wish, fault);
  } else {
    const auto header = read_separated_header(decoded.text, *format, wish);
    if (const auto* bad = std::get_if<HeaderFault>(&header)) {
      const auto where = static_cast<std::size_t>(bad->line);
      // A quoted name may go on in lines that were not looked at above.
      if (!is_utf8(bad->problem)) fault.at(where, std::string(not_utf8));
      fault.at(where, bad->problem + ".");
    }
  }
}

}  // namespace graft
