// Random identifiers from the system's generator: a prefix and `length` characters of [a-zA-Z0-9].
#pragma once

#include <string>
#include <string_view>

namespace graft {

std::string new_identifier(std::string_view prefix, int length = 24);
std::string new_hex_identifier(std::string_view prefix, int digits);

}  // namespace graft
