// Names of values, and what stands around the members of each document: types, formats, versions.
// The members themselves: protocol_members.h, read and written by protocol_json.h. No state: any
// thread may call.
#include "trainer/contract/protocol.h"

#include <array>
#include <charconv>
#include <cstddef>
#include <utility>

#include "trainer/contract/names.h"
#include "trainer/contract/protocol_json.h"

namespace graft {
namespace {

constexpr std::array<std::string_view, 3> precision_names{"auto", "fp32", "bf16"};
constexpr std::array<std::string_view, 2> input_shape_names{"text", "pair"};

// Members "type" of a record, in the order of RecordBody.
constexpr std::array<std::string_view, std::variant_size_v<RecordBody>> record_types{
    "run_started", "data_ready", "progress",     "epoch_ended", "lane_finished",
    "lane_failed", "run_failed", "run_finished", "notice"};

template <std::size_t... Index>
RecordBody read_record_body(const Json& json, std::string_view type,
                            std::index_sequence<Index...>) {
  std::optional<RecordBody> body;
  const auto try_type = [&]<std::size_t I>() {
    if (record_types[I] != type) return;
    body = read_object<std::variant_alternative_t<I, RecordBody>>(json);
  };
  (try_type.template operator()<Index>(), ...);
  if (!body) throw ProtocolError("unknown record type \"" + std::string(type) + "\"");
  return *std::move(body);
}

}  // namespace

// ---- Names -------------------------------------------------------------------------------------

std::string_view to_string(Precision precision) {
  return precision_names.at(static_cast<std::size_t>(precision));
}

std::optional<Precision> parse_precision(std::string_view text) {
  return parse_name<Precision>(precision_names, text);
}

std::string_view to_string(InputShape shape) {
  return input_shape_names.at(static_cast<std::size_t>(shape));
}

std::optional<InputShape> parse_input_shape(std::string_view text) {
  return parse_name<InputShape>(input_shape_names, text);
}

// ---- Orders ------------------------------------------------------------------------------------

std::string write_order(const Order& order) {
  Json json = {{"protocol_version", protocol_version}};
  json.update(write_object(order));
  try {
    return json.dump(2) + "\n";
  } catch (const Json::exception& error) {
    // A path that is not UTF-8 must not be written as another path.
    throw ProtocolError(std::string("the order cannot be written as JSON: ") + error.what());
  }
}

Order parse_order(std::string_view text) {
  const Json json = parse_json(text);
  int version = 0;
  MemberReader reader(json, "");
  reader("protocol_version", version);
  if (version != protocol_version) {
    throw ProtocolError("order of protocol version " + std::to_string(version) +
                        ", this program speaks version " + std::to_string(protocol_version));
  }
  return read_object<Order>(json);
}

std::string write_thread_count(int threads) {
  return std::to_string(threads) + "\n";
}

std::optional<int> parse_thread_count(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  int threads = 0;
  const char* const end = text.data() + text.size();
  const auto [parsed, error] = std::from_chars(text.data(), end, threads);
  if (error != std::errc() || parsed != end || threads < 1) return std::nullopt;
  return threads;
}

// ---- Records -----------------------------------------------------------------------------------

std::string write_record(const Record& record) {
  Json json = {{"type", record_types.at(record.body.index())}};
  MemberWriter writer(json);
  writer("time", record.time);
  std::visit([&](const auto& body) { describe(writer, body); }, record.body);
  return dump_json(json);
}

Record parse_record(std::string_view line) {
  const Json json = parse_json(line);
  Record record;
  std::string type;
  MemberReader reader(json, "");
  reader("type", type);
  reader("time", record.time);
  record.body =
      read_record_body(json, type, std::make_index_sequence<std::variant_size_v<RecordBody>>());
  return record;
}

std::string write_lane_metrics(const LaneMetrics& metrics) {
  return dump_json(write_object(metrics));
}

LaneMetrics parse_lane_metrics(std::string_view text) {
  return read_object<LaneMetrics>(parse_json(text));
}

// ---- graft.json --------------------------------------------------------------------------------

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

// ---- Checkpoints -------------------------------------------------------------------------------

std::string write_checkpoint_header(const CheckpointHeader& header) {
  Json json = {{"format", "graft-checkpoint"}, {"format_version", checkpoint_format_version}};
  json.update(write_object(header));
  return dump_json(json);
}

CheckpointHeader parse_checkpoint_header(std::string_view text) {
  const Json json = parse_json(text);
  std::string format;
  int version = 0;
  MemberReader member(json, "");
  member("format", format);
  member("format_version", version);
  if (format != "graft-checkpoint" || version != checkpoint_format_version) {
    throw ProtocolError("it is of format " + format + " " + std::to_string(version) +
                        ", this program reads graft-checkpoint " +
                        std::to_string(checkpoint_format_version));
  }
  return read_object<CheckpointHeader>(json);
}

std::string order_identity(Order order, const std::string& backbone_sha256) {
  order.run_id.clear();
  order.backbone_directory.clear();
  order.backbone_sha256 = backbone_sha256;
  order.program_version.clear();
  order.threads = 0;
  order.cache_directory.clear();
  for (LaneOrder& lane : order.lanes) {
    lane.training_file.path.clear();
    if (lane.validation_file) lane.validation_file->path.clear();
  }
  return write_order(order);
}

std::string lane_identity(const Order& order, std::size_t lane,
                          const std::string& backbone_sha256) {
  Order alone = order;
  alone.lanes = {order.lanes.at(lane)};
  return order_identity(std::move(alone), backbone_sha256);
}

// ---- Prediction --------------------------------------------------------------------------------

std::string write_predict_request(const PredictRequest& request) {
  return dump_json(write_object(request));
}

PredictRequest parse_predict_request(std::string_view line) {
  return read_object<PredictRequest>(parse_json(line));
}

std::string write_predict_response(const PredictResponse& response) {
  return dump_json(write_object(response));
}

PredictResponse parse_predict_response(std::string_view line) {
  return read_object<PredictResponse>(parse_json(line));
}

std::string write_logits(const std::vector<std::string>& labels, std::span<const float> logits) {
  return Json{{"labels", labels}, {"logits", std::vector<float>(logits.begin(), logits.end())}}
      .dump();
}

}  // namespace graft
