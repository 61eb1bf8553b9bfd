// The body of a job's creation, member by member. See jobs.h.
#include <algorithm>
#include <cmath>
#include <random>

#include "services/wire/hyperparameters.h"
#include "services/wire/jobs.h"
#include "services/wire/jobs_adapter.h"
#include "services/wire/json.h"
#include "services/wire/names.h"

namespace graft {

namespace {

constexpr std::size_t most_pairs = 16, longest_key = 64, longest_value = 512;

using Place = Hyperparameter::Place;

// Members of other objects of a body, for proposals to those who wrote them at the wrong place.
std::vector<std::string> nested_members(const std::string& path = "hyperparameters") {
  std::vector<std::string> members = {path + ".learning_rate_multiplier"};
  for (const Hyperparameter& entry : hyperparameters())
    if (entry.place == Place::hyperparameters)
      members.push_back(path + "." + std::string(entry.name));
  if (path != "hyperparameters") return members;
  for (std::string& adapter : paths_at(Place::adapter)) members.push_back(std::move(adapter));
  members.push_back("adapter.layers");
  return members;
}

std::vector<std::string> top_members() {
  std::vector<std::string> members = paths_at(Place::body);
  for (const char* other : {"seed", "suffix", "task", "adapter"}) members.push_back(other);
  return members;
}

std::int64_t random_seed() {
  std::random_device device;
  return static_cast<std::int64_t>(device() & 0x7FFFFFFFU);
}

std::string names_of(const std::vector<BackboneInfo>& backbones) {
  std::string names;
  for (const auto& backbone : backbones) names += (names.empty() ? "" : ", ") + backbone.name;
  return names.empty() ? "none" : names;
}

const BackboneInfo* read_backbone(JsonFields& fields, const std::vector<BackboneInfo>& backbones) {
  if (!fields.find("model")) {
    fields.add_error("model", "is required: the name of a backbone (" + names_of(backbones) + ").",
                     "missing_required_parameter");
    return nullptr;
  }
  const auto model = fields.text("model", 1, 256);
  if (!model) return nullptr;
  for (const auto& backbone : backbones)
    if (backbone.name == *model) return &backbone;
  if (model->starts_with("ft:"))
    fields.add_error("model",
                     "names a finished adapter; training goes on from a backbone only. Give one of "
                     "these: " +
                         names_of(backbones) +
                         ". To make the next version of a task, name the task in 'task'.",
                     "not_supported");
  else
    fields.add_error("model",
                     "'" + *model + "' is not a backbone of this service; there are: " +
                         names_of(backbones) + ".",
                     "model_not_found");
  return nullptr;
}

// The multiplier is no hyperparameter of a trial: it becomes its learning rate.
void read_hyperparameters(JsonFields fields, const BackboneSummary& backbone, Specification& config,
                          std::optional<double>& multiplier) {
  read_hyperparameters_at(Place::hyperparameters, fields, backbone, config);
  if (const auto chosen = fields.number_or_auto("learning_rate_multiplier", {0, 1e6, true}))
    multiplier = chosen;
  fields.finish(top_members());
}

// Those of `method` come second and win over the deprecated place, member by member. The
// multiplier, where one is given.
std::optional<double> read_all_hyperparameters(JsonFields& fields, const BackboneSummary& backbone,
                                               Specification& config,
                                               std::vector<FieldError>& errors) {
  std::optional<double> multiplier;
  if (const Json* object = fields.object("hyperparameters"))
    read_hyperparameters({*object, "hyperparameters", errors}, backbone, config, multiplier);
  const Json* method_object = fields.object("method");
  if (!method_object) return multiplier;

  JsonFields method(*method_object, "method", errors);
  if (!method.find("type"))
    method.add_error("type", "is required; this service has 'supervised'.",
                     "missing_required_parameter");
  else if (const auto type = method.text("type", 1, 64); type && *type != "supervised") {
    method.add_error("type", "'" + *type + "' is not supported here; use 'supervised'.",
                     "not_supported");
    return multiplier;
  }
  for (const char* other : {"dpo", "reinforcement"})
    if (method.find(other))
      method.add_error(other, "is not supported here; use 'supervised'.", "not_supported");
  if (const Json* object = method.object("supervised")) {
    const std::string path = "method.supervised.hyperparameters";
    JsonFields supervised(*object, "method.supervised", errors);
    if (const Json* inner = supervised.object("hyperparameters"))
      read_hyperparameters({*inner, path, errors}, backbone, config, multiplier);
    supervised.finish(nested_members(path));
  }
  method.finish();
  return multiplier;
}

// base: the method's default, which the multiplier scales.
void read_learning_rate(JsonFields& fields, double base, const std::optional<double>& multiplier,
                        JobRequest& request) {
  const Json* given = fields.find("learning_rate");
  const bool absolute = given && !is_auto(given);
  double& rate = request.config.learning_rate;
  if (absolute && multiplier)
    fields.add_error("learning_rate",
                     "and learning_rate_multiplier are both given; give one, the other 'auto'.");
  if (absolute) {
    request.learning_rate_multiplier = rate / base;
  } else if (multiplier) {
    rate = *multiplier * base;
    request.learning_rate_multiplier = *multiplier;
    const HyperparameterRange& range = hyperparameter("learning_rate").range;
    if (rate < range.least || rate > range.most)
      fields.add_error("hyperparameters.learning_rate_multiplier",
                       "makes a learning rate of " + dump(rate) + "; " + dump(range.least) +
                           " to " + dump(range.most) + " is allowed (the multiplier scales " +
                           dump(base) + ").");
  }
}

std::map<std::string, std::string> read_metadata(JsonFields& fields) {
  std::map<std::string, std::string> metadata;
  const Json* object = fields.object("metadata");
  if (!object) return metadata;
  if (object->size() > most_pairs)
    fields.add_error("metadata", "has " + std::to_string(object->size()) + " pairs; at most " +
                                     std::to_string(most_pairs) + " are allowed.");
  for (const auto& [key, value] : object->items()) {
    const std::size_t key_length = count_characters(key);
    if (key_length == 0 || key_length > longest_key)
      fields.add_error("metadata", "has a key of " + std::to_string(key_length) +
                                       " characters; 1 to " + std::to_string(longest_key) +
                                       " are allowed.");
    else if (const auto unseen = invisible_character(key))
      fields.add_error("metadata", "has a key that holds " + *unseen + ", which nobody sees.");
    else if (!value.is_string())
      fields.add_error("metadata." + key,
                       std::string("must be a string, not ") + value.type_name() + ".",
                       "invalid_type");
    else if (count_characters(value.get_ref<const std::string&>()) > longest_value)
      fields.add_error("metadata." + key,
                       "has more than " + std::to_string(longest_value) + " characters.");
    else
      metadata[key] = value.get<std::string>();
  }
  return metadata;
}

void refuse_integrations(JsonFields& fields) {
  const Json* value = fields.find("integrations");
  if (!value) return;
  if (!value->is_array())
    fields.add_error("integrations", "must be an array, empty or null.", "invalid_type");
  else if (!value->empty())
    fields.add_error("integrations",
                     "are not supported here; leave them out and read the job's events instead.",
                     "not_supported");
}

void read_task(JsonFields& fields, JobRequest& request) {
  request.suffix = fields.text("suffix", 1, 64);
  if (request.suffix && request.suffix->find_first_of("/\\:?#%") != std::string::npos)
    fields.add_error("suffix",
                     "must not hold any of / \\ : ? # % because it becomes a part of the model's "
                     "name.");
  const auto task = fields.text("task", 1, 64);
  if (task && !is_task_name(*task))
    fields.add_error("task",
                     "must begin with a letter or digit and hold only letters, digits, '.', '_' "
                     "and '-' of ASCII.");
  request.task = task ? *task : task_name_of_suffix(request.suffix.value_or(""));
}

}  // namespace

JobRequest parse_job_request(std::string_view body, const std::vector<BackboneInfo>& backbones) {
  const Json object = parse_object(body);
  std::vector<FieldError> errors;
  JsonFields fields(object, "", errors);
  JobRequest request;

  request.backbone = read_backbone(fields, backbones);
  BackboneSummary sizes;
  if (request.backbone)
    sizes = request.backbone->summary;
  else
    sizes.hidden_size = 1024, sizes.max_positions = 512;  // nothing is made of it: model is wrong
  Specification& config = request.config = default_specification(sizes);

  if (!fields.find("training_file"))
    fields.add_error("training_file", "is required: the id of an uploaded file.",
                     "missing_required_parameter");
  request.training_file = fields.text("training_file", 1, 256).value_or("");
  request.validation_file = fields.text("validation_file", 1, 256);
  read_task(fields, request);

  const auto multiplier = read_all_hyperparameters(fields, sizes, config, errors);
  if (!is_auto(fields.find("adapter")))
    if (const Json* adapter = fields.object("adapter"))
      read_adapter(*adapter, sizes, config, errors);
  const double base = config.learning_rate;  // the default: the method's
  read_hyperparameters_at(Place::body, fields, sizes, config);
  read_learning_rate(fields, base, multiplier, request);
  const HyperparameterRange& seeds = hyperparameter("seed").range;
  const auto seed = fields.integer("seed", {seeds.least, seeds.most});
  request.seed_given = seed.has_value();
  config.seed = static_cast<std::uint64_t>(seed ? *seed : random_seed());
  request.metadata = read_metadata(fields);
  refuse_integrations(fields);
  fields.finish(nested_members());
  refuse_field_errors(errors);
  return request;
}

}  // namespace graft
