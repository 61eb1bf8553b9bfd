#include "services/wire/file_shape.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <variant>

#include "services/http/message.h"
#include "services/http/router.h"
#include "services/wire/json.h"
#include "trainer/contract/data_bytes.h"
#include "trainer/contract/json_glance.h"
#include "trainer/contract/row_shape.h"
#include "trainer/contract/separated.h"

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

void check_json_line(const Line& line, const Fault& fault) {
  const JsonGlance seen = glance_at_json(line.text, most_row_levels);
  if (const auto excess = excess_of_row(seen); !excess.empty())
    fault.at(line.number, "is " + excess + ".");
  if (!seen.error.empty())
    fault.at(line.number, "is not valid JSON; each line must be one JSON object.");
  if (seen.twice) fault.at(line.number, "has a member twice; readers differ in which counts.");
  const Json row = Json::parse(line.text);
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
  DecodedData decoded;
  decode_data(head, most_bytes_read, true, decoded);
  if (!decoded.problem.empty()) fault.at(0, decoded.problem + ".");

  const auto line = first_line(decoded.text);
  if (!line) fault.at(0, "has no rows.");
  if (line->text.size() > most_line_bytes) fault.at(line->number, "is longer than 1 MiB.");
  if (!is_utf8(line->text)) fault.at(line->number, "is not UTF-8.");
  if (format == DataFormat::jsonl) {
    check_json_line(*line, fault);
  } else {
    const auto header = read_separated_header(decoded.text, *format);
    if (const auto* bad = std::get_if<HeaderFault>(&header)) {
      const auto where = static_cast<std::size_t>(bad->line);
      // A quoted name may go on in lines that were not looked at above.
      if (!is_utf8(bad->problem)) fault.at(where, "is not UTF-8.");
      fault.at(where, bad->problem + ".");
    }
  }
}

}  // namespace graft
