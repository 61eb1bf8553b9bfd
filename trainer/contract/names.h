// Enumerations by their names. No state: any thread may call.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace graft {

template <class Enum, std::size_t N>
std::optional<Enum> parse_name(const std::array<std::string_view, N>& names,
                               std::string_view text) {
  for (std::size_t i = 0; i < N; ++i) {
    if (names[i] == text) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

}  // namespace graft
