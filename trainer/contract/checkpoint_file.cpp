// The JSON header of a safetensors file is its first bytes, after their number.
#include "trainer/contract/checkpoint_file.h"

#include <array>
#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

namespace graft {
namespace {

constexpr std::uint64_t longest_header = std::uint64_t{16} << 20;  // bytes

}  // namespace

std::optional<CheckpointHeader> read_checkpoint_header(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::array<unsigned char, 8> length_bytes{};
  if (!in.read(reinterpret_cast<char*>(length_bytes.data()), length_bytes.size()))
    return std::nullopt;
  std::uint64_t length = 0;  // little-endian
  for (std::size_t i = length_bytes.size(); i-- > 0;) length = length << 8 | length_bytes[i];
  if (length > longest_header) return std::nullopt;
  std::string text(length, '\0');
  if (!in.read(text.data(), static_cast<std::streamsize>(length))) return std::nullopt;
  const auto json = nlohmann::json::parse(text, nullptr, false);
  const nlohmann::json::json_pointer place("/__metadata__/graft_checkpoint");
  if (!json.is_object() || !json.contains(place) || !json[place].is_string()) return std::nullopt;
  try {
    return parse_checkpoint_header(json[place].get<std::string>());
  } catch (const ProtocolError&) {
    return std::nullopt;
  }
}

}  // namespace graft
