// Reading of strangers' JSON, strict, and small pieces for writing. Included in this room
// only. Every mistake becomes a FieldError with the path of the member; all of them are collected
// before anything is said. A JsonFields belongs to one request.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/records.h"

namespace graft {

using Json = nlohmann::ordered_json;

// Text of a value for the wire; never throws.
std::string dump(const Json& value);

// The object in `body`. HttpError 400 for anything that is not one JSON object: bad syntax or
// UTF-8, a member twice, more than 16 levels or 65,536 values, a number no double holds.
Json parse_object(std::string_view body);

struct FieldError {
  std::string param;    // path, e.g. "method.supervised.hyperparameters.n_epochs"
  std::string message;  // without the path
  std::string
      code;  // invalid_value, invalid_type, unknown_parameter, missing_required_parameter, …
};

// Throws the HttpError 400 that names the first error and lists the others; returns where there is
// none.
void refuse_field_errors(const std::vector<FieldError>& errors);

struct NumberRange {
  double least = 0;
  double most = 0;
  bool least_excluded = false;
  bool also_zero = false;  // beside least to most
};

// The members of one object, read one by one; `finish` reports the ones nobody asked for.
class JsonFields {
 public:
  // `path`: of the object, empty for the body. `object` must outlive this.
  JsonFields(const Json& object, std::string path, std::vector<FieldError>& errors);

  // The member, nullptr where it is absent or null. Counts as known.
  const Json* find(std::string_view name);
  // Known and read elsewhere, or known and allowed to be anything.
  void ignore(std::string_view name);

  // Each adds an error for a wrong type or value and then, as for an absent or null member, returns
  // nothing.
  std::optional<std::string> text(std::string_view name, std::size_t least, std::size_t most);
  std::optional<bool> boolean(std::string_view name);
  std::optional<std::int64_t> integer(std::string_view name, NumberRange range);
  std::optional<double> number(std::string_view name, NumberRange range);
  // "auto" is nothing.
  std::optional<std::int64_t> integer_or_auto(std::string_view name, NumberRange range);
  std::optional<double> number_or_auto(std::string_view name, NumberRange range);
  const Json* object(std::string_view name);
  // The same, to be read; its errors are this one's.
  std::optional<JsonFields> fields(std::string_view name);

  void add_error(std::string_view name, std::string message, std::string code = "invalid_value");
  std::string path_of(std::string_view name) const;

  // An error for each member that was not asked for, with the nearest known name; `elsewhere` are
  // paths of members known in other places ("hyperparameters.n_epochs"), proposed where the last
  // part fits.
  void finish(const std::vector<std::string>& elsewhere = {});

 private:
  std::string nearest(std::string_view name, const std::vector<std::string>& elsewhere) const;

  const Json& object_;
  std::string path_;
  std::vector<FieldError>& errors_;
  std::vector<std::string> known_;
};

// Number of Unicode characters of valid UTF-8.
std::size_t count_characters(std::string_view text);

template <class T>
Json json_or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

// {"object": "list", "data", "has_more", "first_id", "last_id"}
Json list_of(Json items, bool has_more);

}  // namespace graft
