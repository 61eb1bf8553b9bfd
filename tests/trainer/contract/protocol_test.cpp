// What one program writes, the other reads back unchanged; what nobody wrote is refused by name.
#include "trainer/contract/order.h"
#include "trainer/contract/prediction.h"
#include "trainer/contract/provenance.h"
#include "trainer/contract/record.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace graft {
namespace {

LaneOrder a_lane() {
  LaneOrder lane;
  lane.trial_id = "trial_1";
  lane.job_id = "ftjob-1";
  lane.adapter_name = "t_0001";
  lane.task_name = "Größe \"quoted\"\n";
  lane.training_file = {"/data/blobs/ab", "train.jsonl", "ab"};
  lane.validation_file = DataFile{"/data/blobs/cd", "valid.csv", "cd"};
  lane.validation_fraction = 0.25;
  lane.method = AdapterMethod::pfeiffer;
  lane.size = 24;
  lane.leave_out = {0, 2};
  lane.activation = Activation::gelu_new;
  lane.init_std = 0.001;
  lane.train_layer_norm = true;
  lane.learning_rate = 3e-4;
  lane.batch_size = 16;
  lane.n_epochs = 7;
  lane.max_length = 64;
  lane.warmup_ratio = 0.06;
  lane.weight_decay = 0.01;
  lane.seed = std::numeric_limits<std::uint64_t>::max();
  return lane;
}

Order an_order() {
  Order order;
  order.run_id = "run_1";
  order.backbone_name = "minilm";
  order.backbone_directory = "/models/minilm";
  order.backbone_sha256 = "12";
  order.program_version = "0.1.0";
  order.threads = 2;
  order.device = "cpu";
  order.lanes = {a_lane(), a_lane()};
  order.lanes[1].validation_file.reset();
  order.lanes[1].method = AdapterMethod::houlsby;
  return order;
}

Record round_trip(RecordBody body) {
  const std::string line = write_record({1700000000.25, std::move(body)});
  CHECK(line.find('\n') == std::string::npos);
  const Record record = parse_record(line);
  CHECK(record.time == 1700000000.25);
  CHECK(write_record(record) == line);
  return record;
}

std::string error_of(auto&& call) {
  try {
    call();
  } catch (const ProtocolError& error) {
    return error.what();
  }
  return "no error";
}

TEST_CASE("an order survives writing and reading") {
  const Order order = parse_order(write_order(an_order()));
  CHECK(order.run_id == "run_1");
  CHECK(order.backbone_directory == "/models/minilm");
  CHECK(order.threads == 2);
  REQUIRE(order.lanes.size() == 2);
  const LaneOrder& lane = order.lanes[0];
  CHECK(lane.task_name == "Größe \"quoted\"\n");
  CHECK(lane.training_file.path == "/data/blobs/ab");
  REQUIRE(lane.validation_file.has_value());
  CHECK(lane.validation_file->name == "valid.csv");
  CHECK(lane.method == AdapterMethod::pfeiffer);
  CHECK(lane.leave_out == std::vector<int>{0, 2});
  CHECK(lane.activation == Activation::gelu_new);
  CHECK(lane.train_layer_norm);
  CHECK(lane.learning_rate == 3e-4);
  CHECK(lane.seed == std::numeric_limits<std::uint64_t>::max());
  CHECK_FALSE(order.lanes[1].validation_file.has_value());
  CHECK(order.lanes[1].method == AdapterMethod::houlsby);
  CHECK(write_order(order) == write_order(an_order()));
}

TEST_CASE("an order of a head alone says nothing of an adapter, and needs to hear nothing") {
  Order order = an_order();
  order.lanes[0].method = AdapterMethod::head;
  const auto json = nlohmann::ordered_json::parse(write_order(order));
  for (const char* member : {"size", "leave_out", "activation", "init_std", "train_layer_norm"})
    CHECK_FALSE(json["lanes"][0].contains(member));
  CHECK(json["lanes"][1].contains("size"));
  const Order read = parse_order(json.dump());
  CHECK(read.lanes[0].method == AdapterMethod::head);
  CHECK(read.lanes[0].leave_out.empty());
  CHECK_FALSE(read.lanes[0].train_layer_norm);
  CHECK(read.lanes[0].learning_rate == 3e-4);
}

TEST_CASE("an order from before layers could be left out leaves out none") {
  auto json = nlohmann::ordered_json::parse(write_order(an_order()));
  for (auto& lane : json["lanes"]) lane.erase("leave_out");
  CHECK(parse_order(json.dump()).lanes[0].leave_out.empty());
}

TEST_CASE("an order of another protocol version is refused") {
  auto json = nlohmann::ordered_json::parse(write_order(an_order()));
  json["protocol_version"] = 99;
  CHECK(error_of([&] { parse_order(json.dump()); }) ==
        "order of protocol version 99, this program speaks version 1");
}

TEST_CASE("a malformed order is refused by the path of the member") {
  const auto error_with = [](auto&& change) {
    auto json = nlohmann::ordered_json::parse(write_order(an_order()));
    change(json);
    return error_of([&] { parse_order(json.dump()); });
  };
  CHECK(error_with([](auto& json) { json["lanes"][1].erase("job_id"); }) ==
        "member \"lanes[1].job_id\" is missing");
  CHECK(error_with([](auto& json) { json["lanes"][0]["training_file"] = 3; }) ==
        "member \"lanes[0].training_file\" is not an object");
  CHECK(error_with([](auto& json) { json["lanes"][0]["training_file"]["name"] = 3; }) ==
        "member \"lanes[0].training_file.name\" is not a string");
  CHECK(error_with([](auto& json) { json["threads"] = 4000000000u; }) ==
        "member \"threads\" is out of range");
  CHECK(error_with([](auto& json) { json["threads"] = 1.5; }) ==
        "member \"threads\" is not an integer");
  CHECK(error_with([](auto& json) { json["lanes"][0]["seed"] = -1; }) ==
        "member \"lanes[0].seed\" is out of range");
  CHECK(error_with([](auto& json) { json["lanes"][0]["method"] = "lora"; }) ==
        "member \"lanes[0].method\" has an unknown value");
  CHECK(error_with([](auto& json) {
          json["lanes"][0]["leave_out"] = {0, "1"};
        }) == "member \"lanes[0].leave_out[1]\" is not an integer");
  CHECK(error_with([](auto& json) { json["lanes"] = "none"; }) == "member \"lanes\" is not a list");
  CHECK(error_with([](auto& json) { json["lanes"][0]["train_layer_norm"] = 1; }) ==
        "member \"lanes[0].train_layer_norm\" is not a boolean");
  CHECK(error_with([](auto& json) { json["unknown"] = 1; }) == "no error");
}

TEST_CASE("a number of threads is a decimal number of its own, at least 1") {
  CHECK(write_thread_count(16) == "16\n");
  CHECK(parse_thread_count("16\n") == 16);
  CHECK(parse_thread_count("1") == 1);
  for (const char* text : {"", "\n", "0", "-2", "+2", "2x", "1.5", " 2", "2\n\n", "4000000000"})
    CHECK_FALSE(parse_thread_count(text));
}

TEST_CASE("a path that is not UTF-8 is refused rather than written as another path") {
  Order order = an_order();
  order.lanes[0].training_file.path = "/data/\xff";
  CHECK_THROWS_AS(write_order(order), ProtocolError);
}

TEST_CASE("every kind of record survives writing and reading") {
  const auto started =
      std::get<RunStarted>(round_trip(RunStarted{4711, "0.1.0", "ab", "cuda:0", "CPU", 2}).body);
  CHECK(started.pid == 4711);
  CHECK(started.device == "cuda:0");

  const auto ready = std::get<DataReady>(
      round_trip(DataReady{1, 90, 10, 3, TaskKind::multi_label, {"a", "b c"}, 270, 1000}).body);
  CHECK(ready.labels == std::vector<std::string>{"a", "b c"});
  CHECK(ready.trainable_parameters == 1000);
  CHECK(ready.task_kind == TaskKind::multi_label);

  const auto progress = std::get<Progress>(
      round_trip(Progress{0, 10, 270, 1, 0.1, 0.5, 1e-3, 9000.5, 3.25, 123456789012}).body);
  CHECK(progress.train_loss == 0.1);
  CHECK(progress.trained_tokens == 123456789012);
  CHECK(std::isnan(progress.utilization));

  const auto ended = std::get<EpochEnded>(
      round_trip(
          EpochEnded{
              0, 2, 90, {{"train_loss", 0.5}, {"valid_macro_f1", 0.65}}, "valid_macro_f1", true})
          .body);
  CHECK(ended.best);
  CHECK(ended.metrics == Metrics{{"train_loss", 0.5}, {"valid_macro_f1", 0.65}});

  LaneFinished finished{2, "lane-2/result.zip", "cd", "ab", {"neg", "pos"}, {}};
  finished.metrics.best_epoch = 3;
  finished.metrics.numbers.set("valid_accuracy", 0.964);
  const auto read = std::get<LaneFinished>(round_trip(finished).body);
  CHECK(read.bundle == "lane-2/result.zip");
  CHECK(read.metrics.best_epoch == 3);
  CHECK(read.metrics.numbers.get("valid_accuracy") == 0.964);

  CHECK(std::get<LaneFailed>(round_trip(LaneFailed{1, "diverged", "why", ""}).body).code ==
        "diverged");
  CHECK(std::get<RunFailed>(round_trip(RunFailed{"no_backbone", "m", "model"}).body).param ==
        "model");
  CHECK(std::get<RunFinished>(round_trip(RunFinished{true}).body).cancelled);
  CHECK(std::get<Notice>(round_trip(Notice{0, "warn", "3 texts\nwere cut"}).body).message ==
        "3 texts\nwere cut");
}

TEST_CASE("a loss that is not a number travels as null and comes back as not a number") {
  Progress progress;
  progress.train_loss = std::numeric_limits<double>::quiet_NaN();
  progress.eta_seconds = std::numeric_limits<double>::infinity();
  const Record record = parse_record(write_record({0, progress}));
  CHECK(std::isnan(std::get<Progress>(record.body).train_loss));
  CHECK(std::isnan(std::get<Progress>(record.body).eta_seconds));
}

TEST_CASE("what an older program did not write is read as not known") {
  const std::string now = write_record({0, Progress{}});
  const std::string member = R"(,"utilization":null)";
  const std::size_t place = now.find(member);
  REQUIRE(place != std::string::npos);
  const Record old = parse_record(std::string(now).erase(place, member.size()));
  CHECK(std::isnan(std::get<Progress>(old.body).utilization));

  std::string order = write_order({});
  const std::string cache = "  \"cache_directory\": \"\",\n";
  const std::size_t line = order.find(cache);
  REQUIRE(line != std::string::npos);
  CHECK(parse_order(order.erase(line, cache.size())).cache_directory.empty());
}

TEST_CASE("bytes that are not UTF-8 do not lose the record") {
  const Record record = parse_record(write_record({0, RunFailed{"code", "bad \xff byte", ""}}));
  CHECK(std::get<RunFailed>(record.body).message == "bad \xef\xbf\xbd byte");
}

TEST_CASE("a torn, foreign or unknown record is refused") {
  CHECK_THROWS_AS(parse_record(R"({"type":"progress","time":1)"), ProtocolError);
  CHECK_THROWS_AS(parse_record(""), ProtocolError);
  CHECK_THROWS_AS(parse_record("[1,2]"), ProtocolError);
  CHECK(error_of([] { parse_record(R"({"type":"party","time":1})"); }) ==
        "unknown record type \"party\"");
  CHECK(error_of([] { parse_record(R"({"type":"run_finished","time":1})"); }) ==
        "member \"cancelled\" is missing");
}

TEST_CASE("lane metrics survive writing and reading") {
  LaneMetrics metrics;
  metrics.steps = 99;
  metrics.numbers.set("valid_loss", 0.125);
  CHECK(parse_lane_metrics(write_lane_metrics(metrics)).steps == 99);
  CHECK(parse_lane_metrics(write_lane_metrics(metrics)).numbers.get("valid_loss") == 0.125);
}

TEST_CASE("graft.json tells what made the bundle and no path of this machine") {
  Provenance provenance;
  provenance.order = a_lane();
  provenance.backbone_name = "minilm";
  provenance.backbone_sha256 = "12";
  provenance.labels = {"neg", "pos"};
  provenance.metrics.numbers.set("valid_accuracy", 0.9);
  const std::string text = write_provenance(provenance);
  CHECK(text.find("/data/blobs") == std::string::npos);
  const auto json = nlohmann::json::parse(text);
  CHECK(json["backbone"]["sha256"] == "12");
  CHECK(json["data"]["training_file"]["sha256"] == "ab");
  CHECK(json["hyperparameters"]["method"] == "pfeiffer");
  CHECK(json["hyperparameters"]["seed"] == std::numeric_limits<std::uint64_t>::max());
  CHECK(json["labels"] == nlohmann::json{"neg", "pos"});
  CHECK(json["metrics"]["valid_accuracy"] == 0.9);
}

TEST_CASE("prediction requests and responses survive writing and reading") {
  const PredictRequest request{7, "/m", "12", "/b.zip", "cd", {{"one\ntext", {}}, {"a", "b"}}};
  const std::string line = write_predict_request(request);
  CHECK(line.find('\n') == std::string::npos);
  const PredictRequest read = parse_predict_request(line);
  CHECK(read.id == 7);
  CHECK(read.bundle_path == "/b.zip");
  REQUIRE(read.inputs.size() == 2);
  CHECK_FALSE(read.inputs[0].text_pair.has_value());
  CHECK(read.inputs[1].text_pair == "b");

  PredictResponse response;
  response.id = 7;
  response.predictions = {{{"pos", 0.1f}, {"neg", 1.0f / 3}}, {}};
  response.tokens = 12;
  const PredictResponse answer = parse_predict_response(write_predict_response(response));
  REQUIRE(answer.predictions.size() == 2);
  CHECK(answer.predictions[0][0].score == static_cast<double>(0.1f));
  CHECK(answer.predictions[0][1].score == static_cast<double>(1.0f / 3));
  CHECK(answer.tokens == 12);
  CHECK(answer.error_code.empty());
}

TEST_CASE("names of methods and activations are AdapterHub's") {
  for (const auto* name : {"houlsby", "pfeiffer"}) {
    CHECK(to_string(parse_adapter_method(name).value()) == name);
  }
  for (const auto* name : {"swish", "relu", "gelu", "gelu_new", "tanh"}) {
    CHECK(to_string(parse_activation(name).value()) == name);
  }
  CHECK_FALSE(parse_adapter_method("").has_value());
  CHECK_FALSE(parse_activation("silu").has_value());
}

}  // namespace
}  // namespace graft
