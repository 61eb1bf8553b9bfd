// Reader and writer of safetensors.
#include "trainer/model/safetensors.h"

#include <torch/torch.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

namespace graft {
namespace {

using nlohmann::json;

constexpr std::uint64_t header_limit = 100'000'000;
constexpr int header_depth = 3;  // header, tensor, shape

struct TypeName {
  const char* name;
  at::ScalarType type;
};
constexpr TypeName type_names[] = {{"F64", at::kDouble},    {"F32", at::kFloat}, {"F16", at::kHalf},
                                   {"BF16", at::kBFloat16}, {"I64", at::kLong},  {"I32", at::kInt},
                                   {"I16", at::kShort},     {"I8", at::kChar},   {"U8", at::kByte},
                                   {"BOOL", at::kBool}};

std::optional<at::ScalarType> parse_type(const std::string& name) {
  for (const TypeName& known : type_names)
    if (name == known.name) return known.type;
  return std::nullopt;
}

// Keeps names printable in messages, whatever a stranger's file holds.
std::string quoted(const std::string& name) {
  return json(name.substr(0, 200)).dump(-1, ' ', true, json::error_handler_t::replace);
}

// JSON lets a key appear twice; one of them would silently win.
json parse_header(std::string_view text) {
  std::vector<std::set<std::string>> keys;
  int elements = 0;  // of the array in progress: none here is long, whatever its file's size
  const auto check = [&](int depth, json::parse_event_t event, json& parsed) {
    if (depth > header_depth) throw SafetensorsError("header is nested too deeply");
    if (event == json::parse_event_t::array_start) elements = 0;
    if (event == json::parse_event_t::value && depth == header_depth && ++elements > 16)
      throw SafetensorsError("header holds a long array");
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second)
      throw SafetensorsError("header names " + quoted(parsed.get<std::string>()) + " twice");
    return true;
  };
  try {
    return json::parse(text, check);
  } catch (const json::exception& error) {
    throw SafetensorsError(std::string("header is not JSON: ") + error.what());
  }
}

std::uint64_t non_negative(const json& value, const std::string& what) {
  if (!value.is_number_unsigned()) throw SafetensorsError(what + " is not a non-negative integer");
  return value.get<std::uint64_t>();
}

StoredTensor read_tensor(const std::string& name, const json& entry, std::string_view data) {
  const std::string where = "tensor " + quoted(name);
  if (!entry.is_object() || entry.size() != 3 || !entry.contains("dtype") ||
      !entry.contains("shape") || !entry.contains("data_offsets"))
    throw SafetensorsError(where + " needs exactly dtype, shape and data_offsets");
  const json& dtype = entry["dtype"];
  const json& shape = entry["shape"];
  const json& offsets = entry["data_offsets"];
  const auto type = parse_type(dtype.is_string() ? dtype.get<std::string>() : "");
  if (!type) throw SafetensorsError(where + " has an unknown dtype");
  if (!shape.is_array() || shape.size() > 8)
    throw SafetensorsError(where + " needs a shape of at most 8 dimensions");
  if (!offsets.is_array() || offsets.size() != 2)
    throw SafetensorsError(where + " needs two data_offsets");

  StoredTensor tensor;
  tensor.type = *type;
  std::uint64_t size = at::elementSize(*type);
  for (const json& dimension : shape) {
    const std::uint64_t extent = non_negative(dimension, where + ": a dimension");
    if (extent > INT64_MAX || __builtin_mul_overflow(size, extent, &size))
      throw SafetensorsError(where + " has a shape too large to exist");
    tensor.shape.push_back(static_cast<std::int64_t>(extent));
  }
  const std::uint64_t begin = non_negative(offsets[0], where + ": an offset");
  const std::uint64_t end = non_negative(offsets[1], where + ": an offset");
  if (begin > end || end > data.size())
    throw SafetensorsError(where + " lies outside the file (truncated?)");
  if (end - begin != size)
    throw SafetensorsError(where + " has " + std::to_string(end - begin) +
                           " bytes, its shape needs " + std::to_string(size));
  tensor.bytes = data.substr(begin, size);
  return tensor;
}

// Every byte of the data belongs to exactly one tensor.
void check_coverage(const Safetensors& file, std::string_view data) {
  std::vector<std::string_view> pieces;
  for (const auto& [name, tensor] : file.tensors) pieces.push_back(tensor.bytes);
  std::sort(pieces.begin(), pieces.end(), [](std::string_view a, std::string_view b) {
    return a.data() != b.data() ? a.data() < b.data() : a.size() < b.size();
  });
  const char* covered = data.data();
  for (std::string_view piece : pieces) {
    if (piece.data() > covered) throw SafetensorsError("there is a hole between tensors");
    if (piece.data() < covered) throw SafetensorsError("tensors overlap");
    covered = piece.data() + piece.size();
  }
  if (covered != data.data() + data.size())
    throw SafetensorsError("there are bytes after the last tensor");
}

}  // namespace

Safetensors read_safetensors(std::string_view bytes) {
  std::uint64_t header_size = 0;
  if (bytes.size() < sizeof header_size) throw SafetensorsError("shorter than its header length");
  std::memcpy(&header_size, bytes.data(), sizeof header_size);
  bytes.remove_prefix(sizeof header_size);
  if (header_size > header_limit) throw SafetensorsError("header is larger than 100 MB");
  if (header_size > bytes.size())
    throw SafetensorsError("header is longer than the file (truncated?)");
  const std::string_view header_text = bytes.substr(0, header_size);
  const std::string_view data = bytes.substr(header_size);
  if (!header_text.starts_with('{')) throw SafetensorsError("header does not start with {");

  Safetensors file;
  const json header = parse_header(header_text);
  for (const auto& [name, entry] : header.items()) {
    if (name != "__metadata__") {
      file.tensors.emplace(name, read_tensor(name, entry, data));
      continue;
    }
    if (!entry.is_object()) throw SafetensorsError("__metadata__ is not an object");
    for (const auto& [key, value] : entry.items()) {
      if (!value.is_string()) throw SafetensorsError("__metadata__ holds something not a string");
      file.metadata.emplace(key, value.get<std::string>());
    }
  }
  check_coverage(file, data);
  return file;
}

at::Tensor float_tensor(const StoredTensor& stored) {
  if (!at::isFloatingType(stored.type)) throw SafetensorsError("a tensor of floats is needed here");
  // from_blob wants a mutable pointer; a write through it would fault, as promised by the map.
  void* bytes = const_cast<char*>(stored.bytes.data());
  const bool aligned = reinterpret_cast<std::uintptr_t>(bytes) % at::elementSize(stored.type) == 0;
  if (aligned) {
    const at::Tensor view = at::from_blob(bytes, stored.shape, at::TensorOptions(stored.type));
    return stored.type == at::kFloat ? view : view.to(at::kFloat);
  }
  at::Tensor copy = at::empty(stored.shape, at::TensorOptions(stored.type));
  std::memcpy(copy.data_ptr(), bytes, stored.bytes.size());
  return copy.to(at::kFloat);
}

std::string write_safetensors(const NamedTensors& tensors,
                              const std::map<std::string, std::string>& metadata) {
  std::map<std::string, at::Tensor> sorted;
  for (const auto& [name, tensor] : tensors)
    sorted.emplace(name, tensor.detach().to(at::kCPU, at::kFloat).contiguous());

  json header{{"__metadata__", {{"format", "pt"}}}};
  for (const auto& [name, value] : metadata) header["__metadata__"][name] = value;
  std::uint64_t offset = 0;
  for (const auto& [name, tensor] : sorted) {
    const std::uint64_t end = offset + tensor.nbytes();
    header[name] = {
        {"dtype", "F32"}, {"shape", tensor.sizes().vec()}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');

  const std::uint64_t header_size = text.size();
  std::string bytes(sizeof header_size, '\0');
  std::memcpy(bytes.data(), &header_size, sizeof header_size);
  bytes += text;
  bytes.reserve(bytes.size() + offset);
  for (const auto& [name, tensor] : sorted)
    bytes.append(static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes());
  return bytes;
}

}  // namespace graft
