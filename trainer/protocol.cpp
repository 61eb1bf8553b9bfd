// JSON of the run directory and of the prediction socket.
// Two visitors over protocol_members.h. Unknown members are ignored, missing ones are errors.
// A number that is not finite travels as null. No state: any thread may call.
#include "trainer/protocol.h"

#include <array>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>

#include "trainer/protocol_members.h"

namespace graft {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::string_view, 3> method_names{"houlsby", "pfeiffer", "head"};
constexpr std::array<std::string_view, 5> activation_names{"swish", "relu", "gelu", "gelu_new",
                                                           "tanh"};
constexpr std::array<std::string_view, 3> precision_names{"auto", "fp32", "bf16"};

template <class Enum, std::size_t N>
std::optional<Enum> parse_name(const std::array<std::string_view, N>& names,
                               std::string_view text) {
  for (std::size_t i = 0; i < N; ++i) {
    if (names[i] == text) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

// Members "type" of a record, in the order of RecordBody.
constexpr std::array<std::string_view, std::variant_size_v<RecordBody>> record_types{
    "run_started", "data_ready", "progress",     "epoch_ended", "lane_finished",
    "lane_failed", "run_failed", "run_finished", "notice"};

// ---- Writing -----------------------------------------------------------------------------------

class MemberWriter {
 public:
  explicit MemberWriter(Json& object) : object_(object) {}

  void operator()(const char* name, const auto& value) { object_[name] = to_json(value); }
  void optional(const char* name, const auto& value) { (*this)(name, value); }

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
std::string dump(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

// ---- Reading -----------------------------------------------------------------------------------

[[noreturn]] void fail_member(const std::string& path, const char* problem) {
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

Json parse_json(std::string_view text) {
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

std::string_view to_string(AdapterMethod method) {
  return method_names.at(static_cast<std::size_t>(method));
}

std::optional<AdapterMethod> parse_adapter_method(std::string_view text) {
  return parse_name<AdapterMethod>(method_names, text);
}

std::string_view to_string(Activation activation) {
  return activation_names.at(static_cast<std::size_t>(activation));
}

std::optional<Activation> parse_activation(std::string_view text) {
  return parse_name<Activation>(activation_names, text);
}

std::string_view to_string(Precision precision) {
  return precision_names.at(static_cast<std::size_t>(precision));
}

std::optional<Precision> parse_precision(std::string_view text) {
  return parse_name<Precision>(precision_names, text);
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
  return dump(json);
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
  return dump(write_object(metrics));
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
  describe_hyperparameters(writer, order);
  Json data = {{"training_file", data_file(order.training_file)}};
  data["validation_file"] =
      order.validation_file ? data_file(*order.validation_file) : Json(nullptr);
  if (!order.validation_file) data["validation_fraction"] = order.validation_fraction;

  const Json json = {
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
  return dump(json, 2) + "\n";
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
  describe_hyperparameters(hyperparameters, order);

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
  return dump(json);
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

// ---- Prediction --------------------------------------------------------------------------------

std::string write_predict_request(const PredictRequest& request) {
  return dump(write_object(request));
}

PredictRequest parse_predict_request(std::string_view line) {
  return read_object<PredictRequest>(parse_json(line));
}

std::string write_predict_response(const PredictResponse& response) {
  return dump(write_object(response));
}

PredictResponse parse_predict_response(std::string_view line) {
  return read_object<PredictResponse>(parse_json(line));
}

std::string write_logits(const std::vector<std::string>& labels, std::span<const float> logits) {
  return Json{{"labels", labels}, {"logits", std::vector<float>(logits.begin(), logits.end())}}
      .dump();
}

}  // namespace graft
