#include "services/wire/predict.h"

#include <algorithm>

#include "services/wire/json.h"

namespace graft {

namespace {

// What is wrong with a text; empty: nothing.
std::string fault_of(std::string_view text) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos)
    return "is empty; there is nothing to classify.";
  if (text.size() > most_input_bytes)
    return "has " + std::to_string(text.size()) + " bytes; at most " +
           std::to_string(most_input_bytes) + " are allowed.";
  return "";
}

void read_input(const Json& value, const std::string& path, std::vector<TextInput>& inputs,
                std::vector<FieldError>& errors) {
  if (value.is_string()) {
    auto text = value.get<std::string>();
    if (auto fault = fault_of(text); !fault.empty())
      errors.push_back({path, std::move(fault), "invalid_value"});
    inputs.push_back({std::move(text), std::nullopt});
    return;
  }
  if (!value.is_object()) {
    errors.push_back({path,
                      std::string("must be a text or an object with 'text' and 'text_pair', not ") +
                          value.type_name() + ".",
                      "invalid_type"});
    return;
  }
  JsonFields fields(value, path, errors);
  TextInput input;
  for (const char* name : {"text", "text_pair"}) {
    const Json* member = fields.find(name);
    const bool is_pair = std::string_view(name) == "text_pair";
    if (!member) {
      if (!is_pair) fields.add_error(name, "is required.", "missing_required_parameter");
      continue;
    }
    if (!member->is_string()) {
      fields.add_error(name, std::string("must be a string, not ") + member->type_name() + ".",
                       "invalid_type");
      continue;
    }
    auto text = member->get<std::string>();
    if (auto fault = fault_of(text); !fault.empty()) fields.add_error(name, std::move(fault));
    if (is_pair)
      input.text_pair = std::move(text);
    else
      input.text = std::move(text);
  }
  fields.finish();
  inputs.push_back(std::move(input));
}

void read_parameters(const Json& object, PredictBody& body, std::vector<FieldError>& errors) {
  JsonFields fields(object, "parameters", errors);
  if (const auto top_k = fields.integer("top_k", {1, 1e6})) body.top_k = static_cast<int>(*top_k);
  body.function_to_apply = fields.text("function_to_apply", 1, 64);
  fields.finish();
}

}  // namespace

PredictBody parse_predict_body(std::string_view body) {
  const Json object = parse_object(body);
  std::vector<FieldError> errors;
  JsonFields fields(object, "", errors);
  PredictBody result;
  const Json* inputs = fields.find("inputs");
  if (!inputs) {
    fields.add_error("inputs", "is required: a text, or an array of texts.",
                     "missing_required_parameter");
  } else if (!inputs->is_array()) {
    read_input(*inputs, "inputs", result.inputs, errors);
  } else if (inputs->empty() || inputs->size() > most_inputs) {
    fields.add_error("inputs", "has " + std::to_string(inputs->size()) + " texts; 1 to " +
                                   std::to_string(most_inputs) + " are allowed.");
  } else {
    for (std::size_t i = 0; i < inputs->size(); ++i)
      read_input((*inputs)[i], "inputs[" + std::to_string(i) + "]", result.inputs, errors);
  }
  if (const Json* parameters = fields.object("parameters"))
    read_parameters(*parameters, result, errors);
  fields.finish({"parameters.top_k"});
  refuse_field_errors(errors);
  return result;
}

void check_function(const PredictBody& body, std::string_view task_kind) {
  const std::string own(
      score_function(parse_task_kind(task_kind).value_or(TaskKind::classification)));
  if (!body.function_to_apply || *body.function_to_apply == own) return;
  refuse_field_errors({{"parameters.function_to_apply",
                        "'" + *body.function_to_apply + "' is not supported by a task of kind " +
                            std::string(task_kind) + "; use '" + own + "' or leave it out.",
                        "not_supported"}});
}

std::string write_predictions(const PredictResponse& answer, const std::optional<int>& top_k) {
  Json rows = Json::array();
  for (const auto& scores : answer.predictions) {
    const std::size_t count =
        top_k ? std::min(scores.size(), static_cast<std::size_t>(*top_k)) : scores.size();
    Json row = Json::array();
    for (std::size_t i = 0; i < count; ++i) {
      row.push_back({{"label", scores[i].label}, {"score", scores[i].score}});
      if (answer.threshold)
        row.back()["selected"] =
            static_cast<float>(scores[i].score) >= static_cast<float>(*answer.threshold);
    }
    rows.push_back(std::move(row));
  }
  return dump(rows);
}

}  // namespace graft
