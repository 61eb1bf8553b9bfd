// Lines, members and the commands that mend a file.
#include "trainer/contract/json_row.h"

#include <algorithm>
#include <utility>

#include "trainer/contract/json_glance.h"
#include "trainer/contract/separated.h"

namespace graft {
namespace {

using Json = nlohmann::json;

constexpr std::size_t most_listed = 300;  // bytes of member names in a sentence
constexpr std::size_t most_name_bytes = 64;

std::string in_quotes(std::string_view name) {
  return "\"" + std::string(cut_text(name, most_name_bytes)) + "\"";
}

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// As a shell takes it for one word.
std::string shell_word(std::string_view name) {
  const bool plain = !name.starts_with('-') && std::all_of(name.begin(), name.end(), [](char c) {
    return is_plain(c) || c == '.' || c == '-';
  });
  if (plain && !name.empty()) return std::string(name);
  std::string word = name.starts_with('-') ? "'./" : "'";
  for (const char c : name) word += c == '\'' ? "'\\''" : std::string(1, c);
  return word + "'";
}

std::string split_command(std::string_view file_name) {
  const bool packed = file_name.ends_with(".gz");
  std::string_view stem = packed ? file_name.substr(0, file_name.size() - 3) : file_name;
  stem = stem.substr(0, stem.rfind('.'));
  std::string result = std::string(stem) + ".jsonl";
  if (result == file_name) result = std::string(stem) + "-rows.jsonl";
  const std::string from = shell_word(file_name), to = shell_word(result);
  return packed ? "gzip -dc " + from + " | jq -c '.[]' > " + to
                : "jq -c '.[]' " + from + " > " + to;
}

std::string list_members(const Json& object) {
  std::string list;
  for (const auto& [name, value] : object.items()) {
    if (list.size() > most_listed) return list + ", …";
    list += (list.empty() ? "" : ", ") + std::string(cut_text(name, most_listed));
  }
  return list.empty() ? "none" : list;
}

// {"data": [{…}, {…}]}: how to get at the rows; empty: there are none within.
std::string unwrap_hint(const Json& object) {
  for (const auto& [name, value] : object.items())
    if (value.is_array() && !value.empty() && value.front().is_object() &&
        name.size() <= most_name_bytes && std::all_of(name.begin(), name.end(), is_plain))
      return "; member " + in_quotes(name) + " is a list of objects, which jq -c '.[\"" + name +
             "\"][]' FILE writes one a line";
  return {};
}

}  // namespace

std::variant<JsonRow, RowFault> read_json_row(std::string_view line) {
  JsonGlance seen = glance_at_json(line, most_row_levels);
  if (seen.too_many_members)
    return RowFault{"", "an object has more than " + std::to_string(most_members) +
                            " members; a row needs its text and its label only"};
  if (seen.too_deep)
    return RowFault{"", "the row is nested deeper than " + std::to_string(most_row_levels) +
                            " levels; a row needs its text and its label only"};
  if (!seen.problem.empty()) {
    const bool more_to_come = seen.problem_byte > line.size() && line.starts_with('{');
    return RowFault{"", "not valid JSON at byte " + std::to_string(seen.problem_byte) + ": " +
                            seen.problem + "; each line must hold one whole JSON object" +
                            (more_to_come ? ", as jq -c . FILE writes them" : "")};
  }
  if (seen.twice)
    return RowFault{*seen.twice, "member " + in_quotes(*seen.twice) +
                                     " stands twice in the row, and readers differ in which "
                                     "counts; remove one"};
  JsonRow row{Json::parse(line), std::move(seen.long_numbers)};
  if (!row.object.is_object())
    return RowFault{"", "not a JSON object but " + kind_of(row.object) +
                            "; each line must hold one, such as {\"text\": …, \"label\": …}"};
  return row;
}

std::optional<std::string> array_over_file(std::string_view text, std::string_view file_name) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.size() <= max_line_bytes && trim(line).empty()) {
      text.remove_prefix(std::min(line.size() + 1, text.size()));
      continue;
    }
    const std::size_t first = line.find_first_not_of(" \t\r");
    if (first == line.npos || line[first] != '[') return std::nullopt;
    if (line.size() <= max_line_bytes && glance_at_json(line, most_row_levels).problem.empty()) {
      // A whole array on the line: one of objects is the file, others stand for a row each.
      const std::size_t inner = line.find_first_not_of(" \t\r", first + 1);
      const std::string_view rest = text.substr(std::min(line.size() + 1, text.size()));
      if (line[inner] != '{' || !trim(rest.substr(0, max_line_bytes)).empty()) return std::nullopt;
    }
    return "the file is one JSON array, but each line must be one JSON object; write them so "
           "with: " +
           split_command(file_name);
  }
  return std::nullopt;
}

const Json* find_member(const Json& object, std::string_view name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

HasMember members_of(const Json& object) {
  return [&object](std::string_view name) {
    return may_be_target(name) ? object.contains(name) : find_member(object, name) != nullptr;
  };
}

RowFault absent_member(const Json& object, std::string_view name, std::string_view need) {
  const std::string member(name);
  if (!object.contains(member))
    return {member, "member " + in_quotes(name) + " is missing; " + std::string(need) +
                        ": add it or remove the row"};
  const bool plain = std::all_of(name.begin(), name.end(), is_plain);
  return {member, "member " + in_quotes(name) + " is null; " + std::string(need) +
                      ": fill it in or remove the row" +
                      (plain ? ", as jq -c 'select(." + member + " != null)' FILE does" : "")};
}

RowFault no_text_member(const Json& object) {
  const std::string missing =
      object.contains("messages")
          ? "messages"
          : missing_member(
                [&](std::string_view name) { return find_member(object, name) != nullptr; }, {});
  if (object.contains(missing)) return absent_member(object, missing, "every row needs a text");
  return {"text", "no member holds the text; name it " + std::string(known_text_members) +
                      "; the members are: " + list_members(object) + unwrap_hint(object)};
}

std::string kind_of(const Json& value) {
  if (value.is_null()) return "null";
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  if (value.is_string()) return "a string";
  if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
  return "a number";
}

}  // namespace graft
