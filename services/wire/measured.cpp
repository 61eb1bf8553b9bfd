#include "services/wire/measured.h"

#include <string>

namespace graft {

Json measured_numbers(std::string_view metrics) {
  Json numbers = Json::parse(metrics, nullptr, false);
  return numbers.is_object() ? numbers : Json::object();
}

Json primary_metric_of(const Json& numbers) {
  const auto known = numbers.find("primary_metric");
  const std::string name =
      known != numbers.end() && known->is_string() ? known->get<std::string>() : "valid_accuracy";
  const auto value = numbers.find(name);
  return {{"name", name}, {"value", value != numbers.end() ? *value : Json(nullptr)}};
}

}  // namespace graft
