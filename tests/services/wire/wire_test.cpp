// Strangers' JSON: what is refused and with which words, and what comes out.
#include "services/wire/answers.h"

#include <doctest/doctest.h>
#include <set>

#include <nlohmann/json.hpp>

#include "services/http/router.h"
#include "services/wire/jobs.h"
#include "services/wire/json.h"
#include "services/wire/names.h"
#include "services/wire/predict.h"
#include "trainer/contract/order.h"
#include "trainer/contract/prediction.h"

namespace graft {
namespace {

// Requests point into it.
const std::vector<BackboneInfo>& backbones() {
  static const std::vector<BackboneInfo> known = [] {
    BackboneSummary sizes;
    sizes.hidden_size = 128;
    sizes.layers = 6;
    sizes.max_positions = 512;
    return std::vector<BackboneInfo>{{"minilm", "/nowhere", sizes, 0}};
  }();
  return known;
}

HttpError refusal(std::string_view body) {
  try {
    parse_job_request(body, backbones());
  } catch (const HttpError& error) {
    return error;
  }
  FAIL("accepted: " << body);
  throw;
}

// A valid job with more members.
std::string job(const std::string& more) {
  return R"({"model": "minilm", "training_file": "file-1")" + (more.empty() ? "" : ", " + more) +
         "}";
}

JobRequest accepted(const std::string& more) {
  return parse_job_request(job(more), backbones());
}

}  // namespace

TEST_CASE("an error body has all four members, absent ones null") {
  CHECK(
      write_error(404, "No such job: x", "", "") ==
      R"({"error":{"message":"No such job: x","type":"invalid_request_error","param":null,"code":null}})");
  CHECK(
      write_error(401, "m", "invalid_api_key", "p") ==
      R"({"error":{"message":"m","type":"authentication_error","param":"p","code":"invalid_api_key"}})");
  CHECK(nlohmann::json::parse(write_error(500, "m", "", ""))["error"]["type"] == "server_error");
}

TEST_CASE("an error body survives bytes that are not UTF-8") {
  const auto body = nlohmann::json::parse(write_error(400, "bad \xFF name", "", ""));
  CHECK(body["error"]["message"] == "bad \xEF\xBF\xBD name");
}

TEST_CASE("readiness is the conjunction of its checks") {
  CHECK(write_readiness({{"database", "ok"}, {"worker", "ok"}}) ==
        R"({"ready":true,"checks":{"database":"ok","worker":"ok"}})");
  CHECK(nlohmann::json::parse(write_readiness({{"database", "ok"}, {"worker", "away"}}))["ready"] ==
        false);
  CHECK(write_health() == R"({"status":"ok"})");
}

TEST_CASE("a body that is no JSON object is refused and says why") {
  for (const char* body : {"", "  \n", "{", "[]", "null", "3", "\"x\"", "{\"a\": 1,}", "{'a': 1}",
                           "{\"a\": 1e999}", "{\"a\": \"\xFF\"}", "{} {}", "{\"a\": NaN}"}) {
    CAPTURE(body);
    const auto error = refusal(body);
    CHECK(error.status == 400);
    CHECK(error.code == "invalid_json");
    CHECK(std::string(error.what()).starts_with("The body "));
  }
}

TEST_CASE("a member named twice is refused at any depth") {
  CHECK(std::string(refusal(R"({"model": "a", "model": "b"})").what()).find("'model' twice") !=
        std::string::npos);
  CHECK(refusal(R"({"metadata": {"a": "1", "a": "2"}})").code == "invalid_json");
}

TEST_CASE("nesting has a limit, whatever the size") {
  CHECK(refusal(std::string(100000, '[')).code == "invalid_json");
  std::string nested = "{\"a\":";
  for (int i = 0; i < 40; ++i) nested += "[";
  CHECK(std::string(refusal(nested).what()).find("nested deeper than 16") != std::string::npos);
}

TEST_CASE("a minimal job gets tested defaults and a random seed") {
  const auto request = accepted("");
  const LaneOrder lane;
  CHECK(request.backbone->name == "minilm");
  CHECK(request.training_file == "file-1");
  CHECK_FALSE(request.validation_file);
  CHECK(request.task.empty());
  CHECK(request.config.method == AdapterMethod::houlsby);
  CHECK(request.config.size == lane.size);
  CHECK(request.config.n_epochs == lane.n_epochs);
  CHECK(request.config.batch_size == lane.batch_size);
  CHECK(request.config.learning_rate == lane.learning_rate);
  CHECK(request.config.max_length == lane.max_length);
  CHECK(request.learning_rate_multiplier == 1);
  CHECK_FALSE(request.seed_given);
  CHECK(request.config.seed >= 0);
  CHECK(request.config.seed <= 2147483647);
  const bool all_equal = accepted("").config.seed == request.config.seed &&
                         accepted("").config.seed == request.config.seed;
  CHECK_FALSE(all_equal);
}

TEST_CASE("null and auto mean the default wherever the contract allows them") {
  const auto request = accepted(
      R"("validation_file": null, "suffix": null, "seed": null, "metadata": null,
         "integrations": null, "hyperparameters": {"n_epochs": "auto", "batch_size": "auto",
         "learning_rate_multiplier": "auto"}, "method": {"type": "supervised", "supervised":
         {"hyperparameters": {"n_epochs": "auto", "batch_size": null}}, "dpo": null},
         "task": null, "adapter": {"method": "auto", "size": "auto", "activation": "auto",
         "layers": "auto", "leave_out": "auto", "init_std": "auto", "train_layer_norm": "auto"}, "learning_rate": "auto",
         "max_length": "auto", "warmup_ratio": "auto", "weight_decay": "auto",
         "validation_fraction": "auto")");
  const auto plain = accepted("");
  auto config = request.config;
  config.seed = plain.config.seed;
  CHECK(config == plain.config);
  CHECK(accepted(R"("adapter": "auto", "method": null, "hyperparameters": null)").config.size ==
        plain.config.size);
}

TEST_CASE("every member reaches the configuration") {
  const auto request = accepted(
      R"("validation_file": "file-2", "suffix": "mine", "seed": 7, "metadata": {"team": "a"},
         "integrations": [], "task": "mood", "hyperparameters": {"n_epochs": 5, "batch_size": 8},
         "adapter": {"method": "pfeiffer", "size": 24, "activation": "relu", "init_std": 0.01,
         "leave_out": [2, 0],
         "train_layer_norm": true}, "learning_rate": 0.0003, "max_length": 64,
         "warmup_ratio": 0.2, "weight_decay": 0.01, "validation_fraction": 0.25)");
  CHECK(*request.validation_file == "file-2");
  CHECK(*request.suffix == "mine");
  CHECK(request.task == "mood");
  CHECK(request.seed_given);
  CHECK(request.metadata.at("team") == "a");
  Specification expected;
  expected.method = AdapterMethod::pfeiffer;
  expected.size = 24;
  expected.leave_out = {0, 2};
  expected.activation = Activation::relu;
  expected.init_std = 0.01;
  expected.train_layer_norm = true;
  expected.learning_rate = 0.0003;
  expected.batch_size = 8;
  expected.n_epochs = 5;
  expected.max_length = 64;
  expected.warmup_ratio = 0.2;
  expected.weight_decay = 0.01;
  expected.validation_fraction = 0.25;
  expected.seed = 7;
  CHECK(request.config == expected);
  CHECK(request.learning_rate_multiplier == doctest::Approx(0.3));
}

TEST_CASE("hyperparameters of the method win over the deprecated place, one by one") {
  const auto request = accepted(
      R"("hyperparameters": {"n_epochs": 2, "batch_size": 4}, "method": {"type": "supervised",
         "supervised": {"hyperparameters": {"n_epochs": 9, "learning_rate_multiplier": 0.5}}})");
  CHECK(request.config.n_epochs == 9);
  CHECK(request.config.batch_size == 4);
  CHECK(request.learning_rate_multiplier == 0.5);
  CHECK(request.config.learning_rate == doctest::Approx(LaneOrder{}.learning_rate * 0.5));
}

TEST_CASE("the task is the suffix where none is named, made fit for a path") {
  const auto task = [](const std::string& suffix) {
    return accepted("\"suffix\": \"" + suffix + "\"").task;
  };
  CHECK(task("mood.v2_a-b") == "mood.v2_a-b");
  CHECK(task("My mood v2!").starts_with("My-mood-v2-"));
  CHECK(task("…").starts_with("suffix-"));
  CHECK(accepted("").task.empty());
  CHECK(accepted(R"("suffix": "a", "task": "b.c_d-1")").task == "b.c_d-1");
}

TEST_CASE("different suffixes are different tasks, each of a fit name") {
  std::set<std::string> names;
  const std::vector<std::string> suffixes = {"C",
                                             "C++",
                                             "C--",
                                             "-C",
                                             "C-",
                                             "R",
                                             "R++",
                                             "日報",
                                             "週報",
                                             "señal",
                                             "senal",
                                             "se al",
                                             "se-al",
                                             "my mood",
                                             "my-mood",
                                             "my  mood",
                                             "été",
                                             "t",
                                             "…",
                                             "Ａ",
                                             "A",
                                             "task_x",
                                             "suffix-task_x",
                                             "file-a",
                                             std::string(64, 's'),
                                             std::string(63, 's') + "+",
                                             std::string(63, 's') + "!",
                                             std::string(63, 's')};
  for (const auto& suffix : suffixes) {
    CAPTURE(suffix);
    const auto name = accepted("\"suffix\": \"" + suffix + "\"").task;
    CHECK(accepted("\"suffix\": \"" + suffix + "\"").task == name);
    CHECK(is_task_name(name));
    CHECK_FALSE(looks_like_id(name));
    CHECK_MESSAGE(names.insert(name).second, name);
  }
}

TEST_CASE("characters that nobody sees are found and named") {
  for (const auto& [text, point] :
       std::vector<std::pair<std::string, std::string>>{{"a\\u202Eb", "U+202E"},
                                                        {"a\\u200B", "U+200B"},
                                                        {"\\uFEFFa", "U+FEFF"},
                                                        {"a\\u2066", "U+2066"},
                                                        {"a\\u0085", "U+0085"},
                                                        {"a\\u0007", "U+0007"},
                                                        {"\\u00ADa", "U+00AD"},
                                                        {"\\uDB40\\uDC41", "U+E0041"}}) {
    CAPTURE(point);
    for (const std::string& members :
         {"\"suffix\": \"" + text + "\"", "\"metadata\": {\"" + text + "\": \"v\"}"}) {
      const auto error = refusal(job(members));
      CHECK(std::string(error.what()).find(point) != std::string::npos);
    }
    CHECK(refusal(job("\"task\": \"" + text + "\"")).param == "task");
  }
  for (const char* seen : {"señal", "日報", "été", "e\xCC\x81", "😀", "\xFF\xC3", "مرحبا"})
    CHECK_FALSE(invisible_character(seen));
}

TEST_CASE("layers with adapters are told by number from the top, one by one, or by the others") {
  const auto left_out = [](const std::string& members) {
    return accepted("\"adapter\": {" + members + "}").config.leave_out;
  };
  using Layers = std::vector<int>;
  CHECK(left_out(R"("layers": 3)") == Layers{0, 1, 2});
  CHECK(left_out(R"("layers": 1.0)") == Layers{0, 1, 2, 3, 4});
  CHECK(left_out(R"("layers": 6)").empty());
  CHECK(left_out(R"("layers": [5, 1])") == Layers{0, 2, 3, 4});
  CHECK(left_out(R"("layers": null, "leave_out": [4, 0])") == Layers{0, 4});
  CHECK(left_out(R"("layers": "auto", "leave_out": [])").empty());
  CHECK(left_out(R"("method": "pfeiffer", "layers": 2, "leave_out": "auto")") ==
        Layers{0, 1, 2, 3});
}

TEST_CASE("layers that are not there, twice or all gone are refused with the way out") {
  const auto said = [](const std::string& members, const std::string& param) {
    const auto error = refusal(job("\"adapter\": {" + members + "}"));
    CHECK(error.status == 400);
    CHECK(error.param == "adapter." + param);
    return std::string(error.what()).substr(error.param.size() + 2);
  };
  const std::string head_instead =
      "leaves no layer with an adapter; to train the head alone, give \"method\": \"head\".";
  CHECK(said(R"("layers": 0)", "layers") == head_instead);
  CHECK(said(R"("layers": [])", "layers") == head_instead);
  CHECK(said(R"("leave_out": [0, 1, 2, 3, 4, 5])", "leave_out") == head_instead);
  const std::string count =
      "must be how many of the topmost layers have adapters, an integer from 1 to 6, or an array "
      "of layer numbers from 0 (lowest) to 5, not ";
  CHECK(said(R"("layers": 7)", "layers") == count + "7.");
  CHECK(said(R"("layers": -1)", "layers") == count + "-1.");
  CHECK(said(R"("layers": 1.5)", "layers") == count + "1.5.");
  CHECK(said(R"("layers": "3")", "layers") == count + "string.");
  const std::string numbers =
      "must hold layer numbers, integers from 0 (lowest) to 5 (topmost), not ";
  CHECK(said(R"("layers": [1, 6])", "layers") == numbers + "6.");
  CHECK(said(R"("leave_out": [-1])", "leave_out") == numbers + "-1.");
  CHECK(said(R"("leave_out": [0.5])", "leave_out") == numbers + "0.5.");
  CHECK(said(R"("leave_out": [[0]])", "leave_out") == numbers + "array.");
  CHECK(said(R"("leave_out": [null])", "leave_out") == numbers + "null.");
  CHECK(said(R"("leave_out": [99999999999999999999])", "leave_out").starts_with(numbers));
  CHECK(said(R"("leave_out": [3, 1, 3])", "leave_out") == "names layer 3 twice; once is enough.");
  CHECK(said(R"("layers": [2, 2])", "layers") == "names layer 2 twice; once is enough.");
  CHECK(said(R"("leave_out": 2)", "leave_out") ==
        "must be an array of layer numbers from 0 (lowest) to 5, not 2.");
  CHECK(said(R"("layers": 3, "leave_out": [0, 1, 2])", "leave_out") ==
        "and layers are both given; give one, the other 'auto': they say the same, one by the "
        "layers without adapters, the other by those with.");
}

TEST_CASE("a head alone takes no word about an adapter") {
  const auto plain = accepted(R"("adapter": {"method": "head"})").config;
  CHECK(plain.method == AdapterMethod::head);
  CHECK(plain.leave_out.empty());
  const auto nulls = accepted(
      R"("adapter": {"method": "head", "size": null, "layers": "auto", "leave_out": null,
         "activation": "auto", "init_std": null, "train_layer_norm": null})");
  CHECK(nulls.config.method == AdapterMethod::head);
  for (const char* member :
       {R"("size": 64)", R"("layers": 3)", R"("leave_out": [])", R"("activation": "swish")",
        R"("init_std": 0.02)", R"("train_layer_norm": false)"}) {
    CAPTURE(member);
    const auto error =
        refusal(job(R"("adapter": {"method": "head", )" + std::string(member) + "}"));
    CHECK(error.param.starts_with("adapter."));
    CHECK(std::string(error.what()) ==
          error.param +
              ": means nothing with method 'head', which trains no adapter; leave it out, or "
              "choose method 'houlsby' or 'pfeiffer'.");
  }
}

TEST_CASE("a head alone has a default rate of its own, which the multiplier scales") {
  const auto head = [](const std::string& more) {
    return accepted(R"("adapter": {"method": "head"})" + more);
  };
  CHECK(head("").config.learning_rate == 0.003);
  CHECK(head("").learning_rate_multiplier == 1);
  CHECK(head(R"(, "hyperparameters": {"learning_rate_multiplier": 2})").config.learning_rate ==
        doctest::Approx(0.006));
  CHECK(head(R"(, "learning_rate": 0.03)").learning_rate_multiplier == doctest::Approx(10));
}

TEST_CASE("layers are not checked against a backbone that is not there") {
  const auto error =
      refusal(R"({"model": "gpt", "training_file": "f", "adapter": {"layers": 30}})");
  CHECK(std::string(error.what()).find("adapter") == std::string::npos);
}

TEST_CASE("values out of range are refused with their path") {
  struct Case {
    const char* members;
    const char* param;
  };
  const Case cases[] = {
      {R"("hyperparameters": {"n_epochs": 0})", "hyperparameters.n_epochs"},
      {R"("hyperparameters": {"n_epochs": 51})", "hyperparameters.n_epochs"},
      {R"("hyperparameters": {"n_epochs": 1.5})", "hyperparameters.n_epochs"},
      {R"("hyperparameters": {"n_epochs": "3"})", "hyperparameters.n_epochs"},
      {R"("hyperparameters": {"n_epochs": true})", "hyperparameters.n_epochs"},
      {R"("hyperparameters": {"batch_size": 257})", "hyperparameters.batch_size"},
      {R"("hyperparameters": {"batch_size": 99999999999999999999999})",
       "hyperparameters.batch_size"},
      {R"("hyperparameters": {"learning_rate_multiplier": 0})",
       "hyperparameters.learning_rate_multiplier"},
      {R"("hyperparameters": {"learning_rate_multiplier": 100000})",
       "hyperparameters.learning_rate_multiplier"},
      {R"("hyperparameters": 3)", "hyperparameters"},
      {R"("method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": -1}}})",
       "method.supervised.hyperparameters.n_epochs"},
      {R"("method": {})", "method.type"},
      {R"("method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.1}}})", "method.type"},
      {R"("method": {"type": "supervised", "reinforcement": {}})", "method.reinforcement"},
      {R"("seed": -1)", "seed"},
      {R"("seed": 2147483648)", "seed"},
      {R"("seed": "auto")", "seed"},
      {R"("suffix": "")", "suffix"},
      {R"("suffix": "a/b")", "suffix"},
      {R"("suffix": 5)", "suffix"},
      {R"("task": "")", "task"},
      {R"("task": "-a")", "task"},
      {R"("task": "a b")", "task"},
      {R"("metadata": {"": "x"})", "metadata"},
      {R"("metadata": {"k": 1})", "metadata.k"},
      {R"("metadata": [])", "metadata"},
      {R"("integrations": [{"type": "wandb"}])", "integrations"},
      {R"("integrations": {})", "integrations"},
      {R"("adapter": {"size": 0})", "adapter.size"},
      {R"("adapter": {"size": 129})", "adapter.size"},
      {R"("adapter": {"method": "lora"})", "adapter.method"},
      {R"("adapter": {"activation": "sine"})", "adapter.activation"},
      {R"("adapter": {"init_std": 0})", "adapter.init_std"},
      {R"("adapter": {"train_layer_norm": "yes"})", "adapter.train_layer_norm"},
      {R"("adapter": [])", "adapter"},
      {R"("learning_rate": 0)", "learning_rate"},
      {R"("learning_rate": 1.5)", "learning_rate"},
      {R"("learning_rate": 0.1, "hyperparameters": {"learning_rate_multiplier": 2})",
       "learning_rate"},
      {R"("max_length": 7)", "max_length"},
      {R"("max_length": 513)", "max_length"},
      {R"("learning_rate": 5e-324)", "learning_rate"},
      {R"("hyperparameters": {"learning_rate_multiplier": 5e-324})",
       "hyperparameters.learning_rate_multiplier"},
      {R"("adapter": {"init_std": 1e-30})", "adapter.init_std"},
      {R"("warmup_ratio": 5e-324)", "warmup_ratio"},
      {R"("weight_decay": 1e-300)", "weight_decay"},
      {R"("validation_fraction": 1e-30)", "validation_fraction"},
      {R"("warmup_ratio": 0.6)", "warmup_ratio"},
      {R"("weight_decay": -0.1)", "weight_decay"},
      {R"("validation_fraction": 0.9)", "validation_fraction"},
      {R"("validation_file": 4)", "validation_file"},
  };
  for (const auto& [members, param] : cases) {
    CAPTURE(members);
    const auto error = refusal(job(members));
    CHECK(error.status == 400);
    CHECK(error.param == param);
    CHECK(std::string(error.what()).starts_with(std::string(param) + ": "));
  }
}

TEST_CASE("the limits themselves are accepted") {
  CHECK(accepted(R"("hyperparameters": {"n_epochs": 50, "batch_size": 256})").config.n_epochs ==
        50);
  CHECK(accepted(R"("seed": 2147483647)").config.seed == 2147483647);
  CHECK(accepted(R"("adapter": {"size": 128}, "max_length": 512)").config.size == 128);
  CHECK(accepted(R"("hyperparameters": {"n_epochs": 3.0})").config.n_epochs == 3);
  const std::string suffix(64, 's');
  CHECK(accepted(R"("suffix": ")" + suffix + "\"").task == suffix);
  CHECK(refusal(job(R"("suffix": ")" + suffix + "s\"")).param == "suffix");
  CHECK(accepted(R"("metadata": {"k": ")" + std::string(512, 'v') + "\"}").metadata.size() == 1);
  CHECK(refusal(job(R"("metadata": {"k": ")" + std::string(513, 'v') + "\"}")).param ==
        "metadata.k");
}

TEST_CASE("metadata has at most sixteen pairs") {
  std::string pairs;
  for (int i = 0; i < 16; ++i) pairs += (i ? ", \"k" : "\"k") + std::to_string(i) + "\": \"v\"";
  CHECK(accepted("\"metadata\": {" + pairs + "}").metadata.size() == 16);
  CHECK(refusal(job("\"metadata\": {" + pairs + ", \"more\": \"v\"}")).param == "metadata");
}

TEST_CASE("unknown members are refused with the nearest known name") {
  const auto said = [](const std::string& members) {
    const auto error = refusal(job(members));
    CHECK(error.code == "unknown_parameter");
    return std::string(error.what());
  };
  CHECK(said(R"("sufix": "a")") == "sufix: is not a known member; did you mean 'suffix'?");
  CHECK(said(R"("n_epochs": 3)") ==
        "n_epochs: is not a known member; did you mean 'hyperparameters.n_epochs'?");
  CHECK(said(R"("hyperparameters": {"n_epoch": 3})") ==
        "hyperparameters.n_epoch: is not a known member; did you mean 'hyperparameters.n_epochs'?");
  CHECK(said(R"("leave_out": [0])") ==
        "leave_out: is not a known member; did you mean 'adapter.leave_out'?");
  CHECK(said(R"("hyperparameters": {"learning_rate": 0.1})") ==
        "hyperparameters.learning_rate: is not a known member; did you mean 'learning_rate'?");
  CHECK(said(R"("adapter": {"bottleneck": 8})") == "adapter.bottleneck: is not a known member.");
  CHECK(said(R"("zzzzzzzz": 1)") == "zzzzzzzz: is not a known member.");
}

TEST_CASE("all mistakes are told at once, the first one as param") {
  const auto error = refusal(R"({"model": "gpt", "seed": -1, "colour": "red"})");
  CHECK(error.param == "model");
  CHECK(error.code == "model_not_found");
  const std::string message = error.what();
  CHECK(message.find("there are: minilm") != std::string::npos);
  CHECK(message.find(" Also: training_file: is required") != std::string::npos);
  CHECK(message.find("seed: must be an integer from 0 to 2147483647, not -1.") !=
        std::string::npos);
  CHECK(message.find("colour: is not a known member.") != std::string::npos);
}

TEST_CASE("a thousand unknown members make a short message") {
  std::string members = "\"u\": 0";
  for (int i = 0; i < 1000; ++i) members += ", \"unknown" + std::to_string(i) + "\": 0";
  const std::string message = refusal(job(members)).what();
  CHECK(message.size() < 2000);
  CHECK(message.ends_with("And 991 more."));
}

TEST_CASE(
    "a body is read in time of its length: nobody's many small objects hold a thread for hours") {
  const auto body_of = [](int count) {
    std::string objects = "{}";
    for (int i = 1; i < count; ++i) objects += ",{}";
    return "{\"inputs\": [" + objects + "]}";
  };
  CHECK(parse_object(body_of(60'000))["inputs"].size() == 60'000);
  CHECK_THROWS_WITH_AS(parse_object(body_of(1'000'000)), "The body has more than 65536 values.",
                       HttpError);
  std::string members = "\"m\": 0";
  for (int i = 0; i < 200'000; ++i) members += ", \"m" + std::to_string(i) + "\": 0";
  CHECK_THROWS_WITH_AS(parse_object("{" + members + "}"),
                       "An object of the body has more than 4096 members.", HttpError);
}

TEST_CASE("a finished adapter as model is refused with the way out") {
  const auto error = refusal(R"({"model": "ft:minilm:acme:s:abcdefgh", "training_file": "f"})");
  CHECK(error.code == "not_supported");
  CHECK(error.param == "model");
  CHECK(std::string(error.what()).find("name the task in 'task'") != std::string::npos);
}

TEST_CASE("inputs of a prediction come in each shape") {
  const auto one = parse_predict_body(R"({"inputs": "good day"})");
  REQUIRE(one.inputs.size() == 1);
  CHECK(one.inputs[0].text == "good day");
  CHECK_FALSE(one.top_k);
  const auto many = parse_predict_body(
      R"({"inputs": ["a", {"text": "b"}, {"text": "c", "text_pair": "d"}], "parameters": {"top_k": 2}})");
  REQUIRE(many.inputs.size() == 3);
  CHECK(many.inputs[1].text == "b");
  CHECK_FALSE(many.inputs[1].text_pair);
  CHECK(*many.inputs[2].text_pair == "d");
  CHECK(many.top_k == 2);
  CHECK(parse_predict_body(R"({"inputs": "a", "parameters": null})").inputs.size() == 1);
  CHECK(parse_predict_body(R"({"inputs": "a", "parameters": {"function_to_apply": "softmax"}})")
            .inputs.size() == 1);
}

TEST_CASE("inputs that cannot be classified are refused by their index") {
  const auto param = [](const std::string& body) {
    try {
      parse_predict_body(body);
    } catch (const HttpError& error) {
      CHECK(error.status == 400);
      return error.param;
    }
    return std::string("accepted");
  };
  CHECK(param("{}") == "inputs");
  CHECK(param(R"({"inputs": []})") == "inputs");
  CHECK(param(R"({"inputs": ""})") == "inputs");
  CHECK(param(R"({"inputs": 5})") == "inputs");
  CHECK(param(R"({"inputs": ["a", " \n"]})") == "inputs[1]");
  CHECK(param(R"({"inputs": ["a", "b", null]})") == "inputs[2]");
  CHECK(param(R"({"inputs": [["a", "b"]]})") == "inputs[0]");
  CHECK(param(R"({"inputs": [{"text_pair": "b"}]})") == "inputs[0].text");
  CHECK(param(R"({"inputs": [{"text": "a", "text_pair": ""}]})") == "inputs[0].text_pair");
  CHECK(param(R"({"inputs": "a", "parameters": {"top_k": 0}})") == "parameters.top_k");
  CHECK(param(R"({"inputs": "a", "top_k": 1})") == "top_k");
  CHECK(param(R"({"inputs": ")" + std::string(most_input_bytes + 1, 'x') + "\"}") == "inputs");
  std::string many = "\"a\"";
  for (std::size_t i = 0; i < most_inputs; ++i) many += ",\"a\"";
  CHECK(param("{\"inputs\": [" + many + "]}") == "inputs");
}

TEST_CASE("the function that makes scores is the kind's, whatever is asked") {
  const auto asked = [](const std::string& function, const char* kind) {
    const PredictBody body = parse_predict_body(
        R"({"inputs": "a", "parameters": {"function_to_apply": ")" + function + "\"}}");
    try {
      check_function(body, kind);
    } catch (const HttpError& error) {
      return error.param + " " + error.code;
    }
    return std::string("accepted");
  };
  CHECK(asked("softmax", "classification") == "accepted");
  CHECK(asked("sigmoid", "multi_label") == "accepted");
  CHECK(asked("none", "regression") == "accepted");
  CHECK(asked("sigmoid", "classification") == "parameters.function_to_apply not_supported");
  CHECK(asked("softmax", "regression") == "parameters.function_to_apply not_supported");
  check_function(parse_predict_body(R"({"inputs": "a"})"), "regression");
}

TEST_CASE("predictions are nested lists, cut to top_k") {
  PredictResponse scores;
  scores.predictions = {{{"up", 0.75}, {"down", 0.25}}, {{"down", 1}, {"up", 0}}};
  CHECK(
      write_predictions(scores, std::nullopt) ==
      R"([[{"label":"up","score":0.75},{"label":"down","score":0.25}],[{"label":"down","score":1.0},{"label":"up","score":0.0}]])");
  CHECK(write_predictions(scores, 1) ==
        R"([[{"label":"up","score":0.75}],[{"label":"down","score":1.0}]])");
  CHECK(write_predictions({}, std::nullopt) == "[]");
  scores.threshold = 0.5;
  CHECK(
      write_predictions(scores, 2) ==
      R"([[{"label":"up","score":0.75,"selected":true},{"label":"down","score":0.25,"selected":false}],)"
      R"([{"label":"down","score":1.0,"selected":true},{"label":"up","score":0.0,"selected":false}]])");
}

}  // namespace graft
