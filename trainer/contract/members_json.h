// The two visitors that turn the members of a struct into JSON and back, for this room alone:
// describe(member, object), once for each struct, calls member(name, field) for each, so the two
// directions cannot drift. Unknown members are ignored, missing ones are errors by their path. A
// number that is not finite travels as null. No state but the object each was made for: any thread
// may use its own.
#pragma once

#include <cmath>
#include <concepts>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "trainer/contract/order.h"

namespace graft {

using Json = nlohmann::ordered_json;

// T is Struct or const Struct: the same list serves reading and writing.
template <class T, class Struct>
concept Of = std::same_as<std::remove_const_t<T>, Struct>;

// ---- Writing -----------------------------------------------------------------------------------

class MemberWriter {
 public:
  explicit MemberWriter(Json& object) : object_(object) {}

  void operator()(const char* name, const auto& value) { object_[name] = to_json(value); }
  void optional(const char* name, const auto& value) { (*this)(name, value); }
  template <class T>
  void unless_default(const char* name, const T& value, const T& standard) {
    if (value != standard) (*this)(name, value);
  }

 private:
  template <class T>
  static Json to_json(const T& value) {
    if constexpr (std::is_enum_v<T>) {
      return to_string(value);
    } else if constexpr (std::same_as<T, double>) {
      return std::isfinite(value) ? Json(value) : Json(nullptr);
    } else if constexpr (std::is_arithmetic_v<T> || std::same_as<T, std::string>) {
      return value;
    } else {
      Json object = Json::object();
      MemberWriter writer(object);
      describe(writer, value);
      return object;
    }
  }

  template <class T>
  static Json to_json(const std::vector<T>& values) {
    Json list = Json::array();
    for (const T& value : values) list.push_back(to_json(value));
    return list;
  }

  template <class T>
  static Json to_json(const std::optional<T>& value) {
    return value ? to_json(*value) : Json(nullptr);
  }

  Json& object_;
};

Json write_object(const auto& value) {
  Json object = Json::object();
  MemberWriter writer(object);
  describe(writer, value);
  return object;
}

// Bytes that are not UTF-8 (a file name in a message) become U+FFFD rather than lose the record.
inline std::string dump_json(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

// ---- Reading -----------------------------------------------------------------------------------

[[noreturn]] inline void fail_member(const std::string& path, const char* problem) {
  throw ProtocolError("member \"" + path + "\" " + problem);
}

template <class Integer>
Integer read_integer(const Json& json, const std::string& path) {
  if (json.is_number_unsigned()) {
    const auto value = json.get<std::uint64_t>();
    if (std::in_range<Integer>(value)) return static_cast<Integer>(value);
  } else if (json.is_number_integer()) {
    const auto value = json.get<std::int64_t>();
    if (std::in_range<Integer>(value)) return static_cast<Integer>(value);
  } else {
    fail_member(path, "is not an integer");
  }
  fail_member(path, "is out of range");
}

class MemberReader {
 public:
  // prefix: path of the object within the document, "" or ending in a dot.
  MemberReader(const Json& object, std::string prefix)
      : object_(object), prefix_(std::move(prefix)) {
    if (!object_.is_object()) {
      if (prefix_.empty()) throw ProtocolError("not a JSON object");
      fail_member(prefix_.substr(0, prefix_.size() - 1), "is not an object");
    }
  }

  void operator()(const char* name, auto& value) {
    const std::string path = prefix_ + name;
    const auto found = object_.find(name);
    if (found == object_.end()) fail_member(path, "is missing");
    read(*found, path, value);
  }

  // A member that older writers do not have keeps its default.
  void optional(const char* name, auto& value) {
    if (object_.contains(name)) (*this)(name, value);
  }
  template <class T>
  void unless_default(const char* name, T& value, const T&) {
    optional(name, value);
  }

 private:
  template <class T>
  static void read(const Json& json, const std::string& path, T& value) {
    if constexpr (std::same_as<T, bool>) {
      if (!json.is_boolean()) fail_member(path, "is not a boolean");
      value = json.get<bool>();
    } else if constexpr (std::integral<T>) {
      value = read_integer<T>(json, path);
    } else if constexpr (std::same_as<T, double>) {
      if (!json.is_number() && !json.is_null()) fail_member(path, "is not a number");
      value = json.is_null() ? std::numeric_limits<double>::quiet_NaN() : json.get<double>();
    } else if constexpr (std::same_as<T, std::string>) {
      if (!json.is_string()) fail_member(path, "is not a string");
      value = json.get_ref<const std::string&>();
    } else if constexpr (std::same_as<T, AdapterMethod>) {
      read_name(json, path, value, parse_adapter_method);
    } else if constexpr (std::same_as<T, Activation>) {
      read_name(json, path, value, parse_activation);
    } else if constexpr (std::same_as<T, Precision>) {
      read_name(json, path, value, parse_precision);
    } else if constexpr (std::same_as<T, TaskKind>) {
      read_name(json, path, value, parse_task_kind);
    } else {
      MemberReader reader(json, path + ".");
      describe(reader, value);
    }
  }

  template <class T>
  static void read(const Json& json, const std::string& path, std::vector<T>& values) {
    if (!json.is_array()) fail_member(path, "is not a list");
    values.clear();
    for (const Json& element : json) {
      const std::string element_path = path + "[" + std::to_string(values.size()) + "]";
      read(element, element_path, values.emplace_back());
    }
  }

  template <class T>
  static void read(const Json& json, const std::string& path, std::optional<T>& value) {
    value.reset();
    if (!json.is_null()) read(json, path, value.emplace());
  }

  template <class Enum, class Parse>
  static void read_name(const Json& json, const std::string& path, Enum& value, Parse parse) {
    std::string name;
    read(json, path, name);
    const std::optional<Enum> parsed = parse(name);
    if (!parsed) fail_member(path, "has an unknown value");
    value = *parsed;
  }

  const Json& object_;
  std::string prefix_;
};

// Takes any member's absence for its default.
struct LenientReader {
  MemberReader& reader;
  void operator()(const char* name, auto& value) { reader.optional(name, value); }
  void optional(const char* name, auto& value) { reader.optional(name, value); }
  template <class T>
  void unless_default(const char* name, T& value, const T&) {
    reader.optional(name, value);
  }
};

inline Json parse_json(std::string_view text) {
  try {
    return Json::parse(text);
  } catch (const Json::exception& error) {
    throw ProtocolError(std::string("not valid JSON: ") + error.what());
  }
}

template <class T>
T read_object(const Json& json) {
  T value;
  MemberReader reader(json, "");
  describe(reader, value);
  return value;
}

}  // namespace graft
