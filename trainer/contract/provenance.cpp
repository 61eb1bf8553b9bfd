#include "trainer/contract/provenance.h"

#include <array>
#include <cstddef>

#include "trainer/contract/members_json.h"
#include "trainer/contract/names.h"
#include "trainer/contract/order_members.h"
#include "trainer/contract/record_members.h"

namespace graft {
namespace {

constexpr std::array<std::string_view, 2> input_shape_names{"text", "pair"};

}  // namespace

std::string_view to_string(InputShape shape) {
  return input_shape_names.at(static_cast<std::size_t>(shape));
}

std::optional<InputShape> parse_input_shape(std::string_view text) {
  return parse_name<InputShape>(input_shape_names, text);
}

std::string write_provenance(const Provenance& provenance) {
  const LaneOrder& order = provenance.order;
  const auto data_file = [](const DataFile& file) {
    return Json{{"name", file.name}, {"sha256", file.sha256}};
  };
  Json hyperparameters = Json::object();
  MemberWriter writer(hyperparameters);
  describe_hyperparameters(writer, order, false);
  Json data = {{"training_file", data_file(order.training_file)}};
  data["validation_file"] =
      order.validation_file ? data_file(*order.validation_file) : Json(nullptr);
  if (!order.validation_file) data["validation_fraction"] = order.validation_fraction;

  Json json = {
      {"format", "graft-adapter"},
      {"format_version", 1},
      {"program_version", provenance.program_version},
      {"created_at", provenance.created_at},
      {"task_name", order.task_name},
      {"adapter_name", order.adapter_name},
      {"job_id", order.job_id},
      {"trial_id", order.trial_id},
      {"backbone", {{"name", provenance.backbone_name}, {"sha256", provenance.backbone_sha256}}},
      {"data", data},
      {"hyperparameters", hyperparameters},
      {"labels", provenance.labels},
      {"metrics", write_object(provenance.metrics)}};
  if (provenance.input) json["input"] = to_string(*provenance.input);
  if (provenance.report) json["report"] = write_object(*provenance.report);
  return dump_json(json, 2) + "\n";
}

Provenance parse_provenance(std::string_view text) {
  const Json json = parse_json(text);
  Provenance provenance;
  LaneOrder& order = provenance.order;
  MemberReader member(json, "");
  std::string format;
  int version = 0;
  member("format", format);
  member("format_version", version);
  if (format != "graft-adapter" || version != 1) {
    throw ProtocolError("format " + format + " " + std::to_string(version) + " is not known");
  }
  member("program_version", provenance.program_version);
  member("created_at", provenance.created_at);
  member("task_name", order.task_name);
  member("adapter_name", order.adapter_name);
  member("job_id", order.job_id);
  member("trial_id", order.trial_id);
  std::string input;
  member.optional("input", input);
  if (!input.empty() && !(provenance.input = parse_input_shape(input)))
    fail_member("input", "has an unknown value");
  member("labels", provenance.labels);
  member("metrics", provenance.metrics);
  member.optional("report", provenance.report);

  const auto object = [&](const Json& parent, const char* name) -> const Json& {
    const auto found = parent.find(name);
    if (found == parent.end()) fail_member(name, "is missing");
    return *found;
  };
  MemberReader backbone(object(json, "backbone"), "backbone.");
  backbone("name", provenance.backbone_name);
  backbone("sha256", provenance.backbone_sha256);
  MemberReader hyperparameters(object(json, "hyperparameters"), "hyperparameters.");
  describe_hyperparameters(hyperparameters, order, false);

  const Json& data = object(json, "data");
  const auto read_file = [](const Json& source, const std::string& path, DataFile& file) {
    MemberReader reader(source, path + ".");
    reader("name", file.name);
    reader("sha256", file.sha256);
  };
  MemberReader data_members(data, "data.");  // refuses what is no object
  read_file(object(data, "training_file"), "data.training_file", order.training_file);
  const Json& validation_file = object(data, "validation_file");
  if (validation_file.is_null()) {
    data_members("validation_fraction", order.validation_fraction);
  } else {
    read_file(validation_file, "data.validation_file", order.validation_file.emplace());
  }
  return provenance;
}

}  // namespace graft
