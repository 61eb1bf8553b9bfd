#include "services/wire/json.h"

#include <algorithm>
#include <cmath>

#include "services/http/router.h"
#include "services/wire/names.h"
#include "trainer/contract/json_glance.h"
#include "trainer/contract/spelling.h"

namespace graft {

namespace {

constexpr std::size_t most_levels = 16;
// A value takes many times its text in memory; with these, a body takes little more than it is
// long.
constexpr std::size_t most_values = 65536;
constexpr std::size_t most_errors_shown = 10;

[[noreturn]] void refuse_body(const std::string& message) {
  throw HttpError(400, message, "invalid_json");
}

std::string number_text(double value) {
  return dump(value == std::floor(value) && std::abs(value) < 1e15
                  ? Json(static_cast<std::int64_t>(value))
                  : Json(value));
}

std::string range_text(const NumberRange& range) {
  return range.least_excluded
             ? "above " + number_text(range.least) + " and at most " + number_text(range.most)
             : (range.also_zero ? "0 or from " : "from ") + number_text(range.least) + " to " +
                   number_text(range.most);
}

bool within(double value, const NumberRange& range) {
  if (range.also_zero && value == 0) return true;
  return value <= range.most && (range.least_excluded ? value > range.least : value >= range.least);
}

// Long strangers' text does not belong into a message whole.
std::string shortened(std::string_view text) {
  if (text.size() <= 64) return std::string(text);
  std::size_t end = 61;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return std::string(text.substr(0, end)) + "…";
}

}  // namespace

std::string dump(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json parse_object(std::string_view body) {
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos)
    refuse_body("The body is empty; send a JSON object.");
  const JsonGlance seen = glance_at_json(body, most_levels);
  if (!seen.problem.empty())
    refuse_body("The body is not valid JSON at byte " + std::to_string(seen.problem_byte) + ": " +
                seen.problem + ".");
  if (seen.too_deep)
    refuse_body("The body is nested deeper than " + std::to_string(most_levels) + " levels.");
  if (seen.too_many_members)
    refuse_body("An object of the body has more than " + std::to_string(most_members) +
                " members.");
  if (seen.values > most_values)
    refuse_body("The body has more than " + std::to_string(most_values) + " values.");
  if (seen.twice)
    refuse_body("The body names the member '" + shortened(*seen.twice) + "' twice in one object.");
  Json value = Json::parse(body);
  if (!value.is_object())
    refuse_body(std::string("The body must be a JSON object, not ") + value.type_name() + ".");
  return value;
}

void refuse_field_errors(const std::vector<FieldError>& errors) {
  if (errors.empty()) return;
  std::string message = errors.front().param + ": " + errors.front().message;
  const std::size_t shown = std::min(errors.size(), most_errors_shown);
  for (std::size_t i = 1; i < shown; ++i)
    message += (i == 1 ? " Also: " : " ") + errors[i].param + ": " + errors[i].message;
  if (shown < errors.size()) message += " And " + std::to_string(errors.size() - shown) + " more.";
  throw HttpError(400, message, errors.front().code, errors.front().param);
}

JsonFields::JsonFields(const Json& object, std::string path, std::vector<FieldError>& errors)
    : object_(object), path_(std::move(path)), errors_(errors) {}

const Json* JsonFields::find(std::string_view name) {
  ignore(name);
  const auto found = object_.find(std::string(name));
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

void JsonFields::ignore(std::string_view name) {
  if (std::find(known_.begin(), known_.end(), name) == known_.end()) known_.emplace_back(name);
}

std::string JsonFields::path_of(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

void JsonFields::add_error(std::string_view name, std::string message, std::string code) {
  errors_.push_back({path_of(name), std::move(message), std::move(code)});
}

std::optional<std::string> JsonFields::text(std::string_view name, std::size_t least,
                                            std::size_t most) {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_string()) {
    add_error(name, std::string("must be a string, not ") + value->type_name() + ".",
              "invalid_type");
    return std::nullopt;
  }
  auto result = value->get<std::string>();
  const std::size_t length = count_characters(result);
  if (length < least || length > most) {
    add_error(name, "must have " + std::to_string(least) + " to " + std::to_string(most) +
                        " characters; it has " + std::to_string(length) + ".");
    return std::nullopt;
  }
  if (const auto unseen = invisible_character(result)) {
    add_error(name, "must not hold " + *unseen +
                        ", a control, invisible or direction-changing character.");
    return std::nullopt;
  }
  return result;
}

std::optional<bool> JsonFields::boolean(std::string_view name) {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_boolean()) {
    add_error(name, std::string("must be true or false, not ") + value->type_name() + ".",
              "invalid_type");
    return std::nullopt;
  }
  return value->get<bool>();
}

std::optional<std::int64_t> JsonFields::integer(std::string_view name, NumberRange range) {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  const bool is_number = value->is_number();
  const double number = is_number ? value->get<double>() : 0;
  if (!is_number || number != std::floor(number) || !within(number, range)) {
    add_error(name,
              "must be an integer " + range_text(range) + ", not " + shortened(dump(*value)) + ".",
              is_number ? "invalid_value" : "invalid_type");
    return std::nullopt;
  }
  return static_cast<std::int64_t>(number);
}

std::optional<double> JsonFields::number(std::string_view name, NumberRange range) {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_number() || !within(value->get<double>(), range)) {
    add_error(name,
              "must be a number " + range_text(range) + ", not " + shortened(dump(*value)) + ".",
              value->is_number() ? "invalid_value" : "invalid_type");
    return std::nullopt;
  }
  return value->get<double>();
}

std::optional<std::int64_t> JsonFields::integer_or_auto(std::string_view name, NumberRange range) {
  const Json* value = find(name);
  if (value && *value == "auto") return std::nullopt;
  return integer(name, range);
}

std::optional<double> JsonFields::number_or_auto(std::string_view name, NumberRange range) {
  const Json* value = find(name);
  if (value && *value == "auto") return std::nullopt;
  return number(name, range);
}

const Json* JsonFields::object(std::string_view name) {
  const Json* value = find(name);
  if (value && !value->is_object()) {
    add_error(name, std::string("must be an object, not ") + value->type_name() + ".",
              "invalid_type");
    return nullptr;
  }
  return value;
}

std::optional<JsonFields> JsonFields::fields(std::string_view name) {
  const Json* value = object(name);
  return value ? std::optional<JsonFields>(std::in_place, *value, path_of(name), errors_)
               : std::nullopt;
}

std::string JsonFields::nearest(std::string_view name,
                                const std::vector<std::string>& elsewhere) const {
  for (const auto& path : elsewhere)
    if (path.substr(path.rfind('.') + 1) == name && path != path_of(name)) return path;
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, name.size() / 3) + 1;
  const auto consider = [&](std::string_view candidate, std::string shown) {
    const std::size_t distance = edit_distance(name, candidate);
    if (distance < best_distance) {
      best = std::move(shown);
      best_distance = distance;
    }
  };
  for (const auto& known : known_) consider(known, path_of(known));
  for (const auto& path : elsewhere)
    consider(std::string_view(path).substr(path.rfind('.') + 1), path);
  return best;
}

void JsonFields::finish(const std::vector<std::string>& elsewhere) {
  for (const auto& [name, value] : object_.items()) {
    if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
    const std::string shown = shortened(name);
    const std::string proposal =
        name.size() > 64 || errors_.size() >= most_errors_shown ? "" : nearest(name, elsewhere);
    add_error(
        shown,
        "is not a known member" + (proposal.empty() ? "." : "; did you mean '" + proposal + "'?"),
        "unknown_parameter");
  }
}

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

Json list_of(Json items, bool has_more) {
  const Json first = items.empty() ? Json(nullptr) : items.front().value("id", Json(nullptr));
  const Json last = items.empty() ? Json(nullptr) : items.back().value("id", Json(nullptr));
  return {{"object", "list"},
          {"data", std::move(items)},
          {"has_more", has_more},
          {"first_id", first},
          {"last_id", last}};
}

}  // namespace graft
