// The JSON header of a safetensors file is its first bytes, after their number.
#include "trainer/contract/checkpoint_file.h"

#include <array>
#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "trainer/durable/sha256.h"

namespace graft {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t longest_header = std::uint64_t{16} << 20;  // bytes
constexpr std::size_t length_bytes = 8;

// What stands before the tensors.
std::optional<std::string> read_json_header(std::istream& in) {
  std::array<unsigned char, length_bytes> bytes{};
  if (!in.read(reinterpret_cast<char*>(bytes.data()), bytes.size())) return std::nullopt;
  std::uint64_t length = 0;  // little-endian
  for (std::size_t i = bytes.size(); i-- > 0;) length = length << 8 | bytes[i];
  if (length > longest_header) return std::nullopt;
  std::string text(length, '\0');
  if (!in.read(text.data(), static_cast<std::streamsize>(length))) return std::nullopt;
  return text;
}

// Empty where it is not there.
std::string metadata(const Json& json, const char* key) {
  const auto found = json.is_object() ? json.find("__metadata__") : json.end();
  if (!json.is_object() || found == json.end() || !found->is_object()) return {};
  const auto value = found->find(key);
  return value != found->end() && value->is_string() ? value->get<std::string>() : "";
}

std::optional<CheckpointHeader> parsed(const std::string& header) {
  try {
    return parse_checkpoint_header(header);
  } catch (const ProtocolError&) {
    return std::nullopt;
  }
}

// nullopt: a tensor lies outside the bytes.
std::optional<std::map<std::string, std::string_view>> tensors_in(const Json& json,
                                                                  std::string_view bytes) {
  std::map<std::string, std::string_view> tensors;
  for (const auto& [name, tensor] : json.items()) {
    if (name == "__metadata__") continue;
    const auto offsets = tensor.is_object() ? tensor.value("data_offsets", Json()) : Json();
    if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
        !offsets[1].is_number_unsigned())
      return std::nullopt;
    const auto begin = offsets[0].get<std::uint64_t>(), end = offsets[1].get<std::uint64_t>();
    if (begin > end || end > bytes.size()) return std::nullopt;
    tensors.emplace(name, bytes.substr(begin, end - begin));
  }
  return tensors;
}

std::string write_container(const std::string& header,
                            const std::map<std::string, std::string_view>& tensors) {
  Json json = {{"__metadata__",
                {{"format", "pt"},
                 {checkpoint_header_key, header},
                 {checkpoint_checksum_key, checkpoint_checksum(header, tensors)}}}};
  std::uint64_t offset = 0;
  for (const auto& [name, bytes] : tensors) {
    json[name] = {{"dtype", "F32"},
                  {"shape", {bytes.size() / sizeof(float)}},
                  {"data_offsets", {offset, offset + bytes.size()}}};
    offset += bytes.size();
  }
  std::string text = json.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // tensors begin aligned
  std::string file;
  for (std::size_t i = 0; i < length_bytes; ++i)
    file += static_cast<char>(std::uint64_t{text.size()} >> (8 * i) & 0xff);
  file += text;
  for (const auto& [name, bytes] : tensors) file += bytes;
  return file;
}

}  // namespace

std::string checkpoint_tensor_prefix(int lane) {
  return "lane." + std::to_string(lane) + ".";
}

std::string checkpoint_checksum(std::string_view header,
                                const std::map<std::string, std::string_view>& tensors) {
  std::string list = sha256_of_bytes(header) + "\n";
  for (const auto& [name, bytes] : tensors) list += sha256_of_bytes(bytes) + "  " + name + "\n";
  return sha256_of_bytes(list);
}

std::optional<CheckpointHeader> read_checkpoint_header(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  const auto text = read_json_header(in);
  if (!text) return std::nullopt;
  return parsed(metadata(Json::parse(*text, nullptr, false), checkpoint_header_key));
}

std::optional<std::string> checkpoint_of_lane(const std::filesystem::path& file, int lane) {
  std::ifstream in(file, std::ios::binary);
  const auto text = read_json_header(in);
  if (!text) return std::nullopt;
  const Json json = Json::parse(*text, nullptr, false);
  const std::string header_text = metadata(json, checkpoint_header_key);
  std::optional<CheckpointHeader> header = parsed(header_text);
  if (!header) return std::nullopt;
  std::ostringstream rest;
  rest << in.rdbuf();
  const std::string bytes = std::move(rest).str();
  auto tensors = tensors_in(json, bytes);
  if (!tensors ||
      checkpoint_checksum(header_text, *tensors) != metadata(json, checkpoint_checksum_key))
    return std::nullopt;
  std::erase_if(header->lanes, [&](const LanePosition& at) { return at.lane != lane; });
  if (header->lanes.size() != 1) return std::nullopt;
  std::erase_if(*tensors, [&](const auto& tensor) {
    return !tensor.first.starts_with(checkpoint_tensor_prefix(lane));
  });
  return write_container(write_checkpoint_header(*header), *tensors);
}

}  // namespace graft
