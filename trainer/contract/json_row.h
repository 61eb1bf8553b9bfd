// One line of a JSON Lines file as an object, or why it is none. The daemon's quick look and the
// worker's reader say the same of a line, for both ask here. Torch-free, no state: any thread may
// call.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "trainer/contract/row_shape.h"

namespace graft {

struct JsonRow {
  nlohmann::json object;
  std::map<std::string, std::string> long_numbers;  // see JsonGlance
};

// The line is UTF-8 and not blank.
std::variant<JsonRow, RowFault> read_json_row(std::string_view line);

// The file is one JSON array, not an object a line: the sentence with the command that splits it.
// `text`: its start, at least to the end of its first row where that is no longer than 1 MiB.
std::optional<std::string> array_over_file(std::string_view text, std::string_view file_name);

// A member that is null is one that is not there.
const nlohmann::json* find_member(const nlohmann::json& object, std::string_view name);

// The object's members as find_shape() asks for them: a text that is null is not there, but what is
// to be learned is chosen by its name, so that a null is refused and no other member taken for it.
HasMember members_of(const nlohmann::json& object);

// For a member that find_member() does not find: that it is missing, or null; `need` says why it
// has to be there.
RowFault absent_member(const nlohmann::json& object, std::string_view name, std::string_view need);

// For an object whose text stands in none of the known members.
RowFault no_text_member(const nlohmann::json& object);

// "a string", "a list", "null", …
std::string kind_of(const nlohmann::json& value);

}  // namespace graft
