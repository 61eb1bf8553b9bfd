// Adapter options: method, size and which layers have one. See jobs_adapter.h.
#include "services/wire/jobs_adapter.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "services/wire/hyperparameters.h"

namespace graft {

namespace {

constexpr char head_instead[] =
    "leaves no layer with an adapter; to train the head alone, give \"method\": \"head\".";

bool is_given(const Json* value) {
  return value && !is_auto(value);
}

std::string last_of(int layers) {
  return std::to_string(layers - 1);
}

std::string shown(const Json& value) {
  return value.is_number() ? dump(value) : value.type_name();
}

bool is_integer_within(const Json& value, double least, double most) {
  if (!value.is_number()) return false;
  const auto number = value.get<double>();
  return number == std::floor(number) && number >= least && number <= most;
}

// Rising layer numbers out of an array; nothing where it has a mistake, which is told.
std::optional<std::vector<int>> read_layer_numbers(JsonFields& fields, std::string_view name,
                                                   const Json& array, int layers) {
  std::vector<int> numbers;
  for (const Json& element : array) {
    if (!is_integer_within(element, 0, layers - 1)) {
      fields.add_error(name,
                       "must hold layer numbers, integers from 0 (lowest) to " + last_of(layers) +
                           " (topmost), not " + shown(element) + ".",
                       element.is_number() ? "invalid_value" : "invalid_type");
      return std::nullopt;
    }
    numbers.push_back(static_cast<int>(element.get<double>()));
  }
  std::sort(numbers.begin(), numbers.end());
  const auto twice = std::adjacent_find(numbers.begin(), numbers.end());
  if (twice != numbers.end()) {
    fields.add_error(name, "names layer " + std::to_string(*twice) + " twice; once is enough.");
    return std::nullopt;
  }
  return numbers;
}

std::vector<int> all_but(const std::vector<int>& numbers, int layers) {
  std::vector<int> others;
  for (int i = 0; i < layers; ++i)
    if (!std::binary_search(numbers.begin(), numbers.end(), i)) others.push_back(i);
  return others;
}

// `layers`, as the layers that it leaves out.
std::optional<std::vector<int>> read_layers(JsonFields& fields, const Json& value, int layers) {
  if (value.is_array()) {
    const auto numbers = read_layer_numbers(fields, "layers", value, layers);
    return numbers ? std::optional(all_but(*numbers, layers)) : std::nullopt;
  }
  if (value.is_number() && value.get<double>() == 0) return all_but({}, layers);
  if (!is_integer_within(value, 1, layers)) {
    fields.add_error("layers",
                     "must be how many of the topmost layers have adapters, an integer from 1 to " +
                         std::to_string(layers) +
                         ", or an array of layer numbers from 0 (lowest) to " + last_of(layers) +
                         ", not " + shown(value) + ".",
                     value.is_number() ? "invalid_value" : "invalid_type");
    return std::nullopt;
  }
  std::vector<int> below(static_cast<std::size_t>(layers - value.get<double>()));
  std::iota(below.begin(), below.end(), 0);
  return below;
}

void read_left_out(JsonFields& fields, int layers, Specification& config) {
  const Json* adapted = fields.find("layers");
  const Json* left_out = fields.find("leave_out");
  if (is_given(adapted) && is_given(left_out)) {
    fields.add_error("leave_out",
                     "and layers are both given; give one, the other 'auto': they say the same, "
                     "one by the layers without adapters, the other by those with.");
    return;
  }
  if (layers == 0) return;
  std::optional<std::vector<int>> chosen;
  if (is_given(adapted)) chosen = read_layers(fields, *adapted, layers);
  if (is_given(left_out)) {
    if (left_out->is_array())
      chosen = read_layer_numbers(fields, "leave_out", *left_out, layers);
    else
      fields.add_error("leave_out",
                       "must be an array of layer numbers from 0 (lowest) to " + last_of(layers) +
                           ", not " + shown(*left_out) + ".",
                       "invalid_type");
  }
  if (!chosen) return;
  if (chosen->size() == static_cast<std::size_t>(layers))
    fields.add_error(is_given(adapted) ? "layers" : "leave_out", head_instead);
  else
    config.leave_out = *std::move(chosen);
}

// All that says how adapters are, which a head alone has none of.
void refuse_adapter_shape(JsonFields& fields) {
  const auto refuse = [&](std::string_view name) {
    if (is_given(fields.find(name)))
      fields.add_error(name,
                       "means nothing with method 'head', which trains no adapter; leave it out, "
                       "or choose method 'houlsby' or 'pfeiffer'.");
  };
  for (const Hyperparameter& entry : hyperparameters())
    if (entry.place == Hyperparameter::Place::adapter && entry.name != "method") refuse(entry.name);
  refuse("layers");
}

}  // namespace

void read_adapter(const Json& object, const BackboneSummary& backbone, Specification& config,
                  std::vector<FieldError>& errors) {
  JsonFields fields(object, "adapter", errors);
  // The method comes first: it decides which of the others there are.
  read_hyperparameters_at(Hyperparameter::Place::adapter, fields, backbone, config);
  if (config.method == AdapterMethod::head) {
    config.learning_rate = head_learning_rate;
    refuse_adapter_shape(fields);
  } else {
    read_left_out(fields, backbone.layers, config);
  }
  fields.finish();
}

Json write_adapter(const Specification& config) {
  Json adapter = Json::object();
  write_hyperparameters_at(Hyperparameter::Place::adapter, config, adapter);
  return adapter;
}

}  // namespace graft
