// Requests, versions and backbones that cannot be computed: each is answered in words, by a code
// that says whose fault it is, and the next request is served.
#include <doctest/doctest.h>
#include <torch/torch.h>

#include <limits>

#include "tests/trainer/changed_backbone.h"
#include "tests/trainer/tiny_run.h"
#include "trainer/serving/predictor.h"

namespace graft {
namespace {

struct Version {
  ScratchDirectory scratch;
  PredictRequest request;

  Version(const std::filesystem::path& directory, std::optional<InputShape> input,
          const std::function<void(TaskModel&, Provenance&)>& change = nullptr, int size = 6) {
    const auto backbone = load_backbone(directory);
    Provenance provenance;
    provenance.order.adapter_name = "t_1";
    provenance.order.size = size;
    provenance.order.max_length = 12;
    provenance.backbone_sha256 = backbone->sha256;
    provenance.labels = {"bad", "good"};
    provenance.input = input;
    TaskModel model = make_task_model(provenance.order, provenance.labels, *backbone);
    initialize(model, provenance.order, *backbone);
    if (change) change(model, provenance);
    request.backbone_directory = directory.string();
    request.backbone_sha256 = backbone->sha256;
    request.bundle_path = (scratch.path() / "adapter.zip").string();
    request.bundle_sha256 = write_bundle(request.bundle_path, model, backbone->config, provenance);
    request.inputs = {{"the cat", std::nullopt}};
  }

  PredictResponse ask(Predictor& predictor, std::vector<TextInput> inputs) {
    request.inputs = std::move(inputs);
    return predictor.answer(request);
  }
};

bool mentions(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

void refused(const PredictResponse& response, const std::string& code, std::string_view words) {
  CHECK(response.error_code == code);
  CAPTURE(response.error_message);
  CHECK(mentions(response.error_message, words));
  CHECK(response.predictions.empty());
}

}  // namespace

TEST_CASE("a token without a row in the embeddings is the request's fault, by its place") {
  ChangedBackbone backbone;
  backbone.add_token_without_row("[ITEM]");
  Version version(backbone.directory(), InputShape::text);
  Predictor predictor(1 << 20, 2);
  refused(version.ask(predictor, {{"the cat", std::nullopt}, {"the [ITEM] is good", std::nullopt}}),
          "invalid_input", "inputs[1] holds a token that the backbone cannot read");
  CHECK(version.ask(predictor, {{"the cat", std::nullopt}}).error_code.empty());
}

TEST_CASE("a pair to a backbone of one token type is the request's fault") {
  ChangedBackbone backbone;
  backbone.have_one_token_type();
  Version version(backbone.directory(), std::nullopt);
  Predictor predictor(1 << 20);
  refused(version.ask(predictor, {{"the cat", "the film"}}), "invalid_input", "single texts only");
  CHECK(version.ask(predictor, {{"the cat", std::nullopt}}).error_code.empty());
}

TEST_CASE("training on rows that the backbone cannot read ends that lane, by file and line") {
  ChangedBackbone backbone;
  backbone.have_one_token_type();
  backbone.add_token_without_row("[ITEM]");
  const ScratchDirectory scratch;
  LaneOrder good = tiny_lane(scratch, "good", 2, 20, 1),
            pairs = tiny_lane(scratch, "pairs", 2, 20, 2),
            unknown = tiny_lane(scratch, "unknown", 2, 20, 3);
  std::string lines;
  for (int i = 0; i < 8; ++i)
    lines +=
        R"({"text": "the cat", "text_pair": "it", "label": ")" + std::to_string(i % 2) + "\"}\n";
  write_text(pairs.training_file.path, lines);
  write_text(unknown.training_file.path, read_text(unknown.training_file.path) +
                                             R"({"text": "an [ITEM]", "label": "good"})" + "\n");
  for (LaneOrder* lane : {&pairs, &unknown})
    lane->training_file.sha256 = sha256_of_file(lane->training_file.path);
  Order order = tiny_order({good, pairs, unknown});
  order.backbone_directory = backbone.directory().string();
  const auto records = run(order, scratch.path() / "run");
  CHECK(all<LaneFinished>(records).size() == 1);
  const auto failed = [&](int lane) { return all<LaneFailed>(records, lane).at(0); };
  CHECK(failed(1).code == "invalid_training_file");
  CHECK(failed(1).param == "training_file");
  CHECK(mentions(failed(1).message, "pairs.jsonl"));
  CHECK(mentions(failed(1).message, "single texts only"));
  CHECK(failed(2).code == "invalid_training_file");
  CAPTURE(failed(2).message);
  CHECK(mentions(failed(2).message, "line 21"));
  CHECK(mentions(failed(2).message, "id 125"));
  CHECK(all<RunFailed>(records).empty());
}

TEST_CASE("a version remembers whether it was learned from texts or pairs") {
  Predictor predictor(1 << 20);
  const std::vector<TextInput> texts{{"the cat", std::nullopt}}, pairs{{"the cat", "it is good"}};
  const std::vector<TextInput> mixed{{"the cat", "it is good"}, {"the cat", std::nullopt}};
  Version of_texts(tiny_bert(), InputShape::text), of_pairs(tiny_bert(), InputShape::pair),
      of_old(tiny_bert(), std::nullopt);
  CHECK(of_texts.ask(predictor, texts).error_code.empty());
  refused(of_texts.ask(predictor, pairs), "invalid_input", "inputs[0] has a 'text_pair'");
  CHECK(of_pairs.ask(predictor, pairs).error_code.empty());
  refused(of_pairs.ask(predictor, texts), "invalid_input", "inputs[0] is a single text");
  refused(of_pairs.ask(predictor, mixed), "invalid_input", "inputs[1] is a single text");
  CHECK(of_old.ask(predictor, texts).error_code.empty());
  CHECK(of_old.ask(predictor, pairs).error_code.empty());
}

TEST_CASE("training writes down what the task reads") {
  const ScratchDirectory scratch;
  LaneOrder texts = tiny_lane(scratch, "texts", 2, 20, 1),
            pairs = tiny_lane(scratch, "pairs", 2, 20, 2);
  std::string lines;
  for (int i = 0; i < 12; ++i)
    lines +=
        R"({"text": "the cat", "text_pair": "it", "label": ")" + std::to_string(i % 2) + "\"}\n";
  write_text(pairs.training_file.path, lines);
  pairs.training_file.sha256 = sha256_of_file(pairs.training_file.path);
  run(tiny_order({texts, pairs}), scratch.path() / "run");
  const auto input = [&](int lane) {
    return parse_provenance(bundle(scratch.path() / "run", lane).at("graft.json")).input;
  };
  CHECK(input(0) == InputShape::text);
  CHECK(input(1) == InputShape::pair);
}

TEST_CASE("a version that does not fit its tables or whose numbers are none is its own fault") {
  Predictor predictor(1 << 20);
  const auto ask = [&](const std::function<void(TaskModel&, Provenance&)>& change) {
    Version version(tiny_bert(), InputShape::text, change);
    return version.ask(predictor, {{"the cat", std::nullopt}});
  };
  refused(ask([](TaskModel&, Provenance& p) { p.order.max_length = 65; }), "bundle_corrupt",
          "max_length 65");
  refused(ask([](TaskModel&, Provenance& p) { p.order.leave_out = {2}; }), "bundle_corrupt",
          "leave_out");
  refused(ask([](TaskModel&, Provenance& p) { p.order.size = -3; }), "bundle_corrupt", "size -3");
  refused(ask([](TaskModel&, Provenance& p) { p.labels = {}; }), "bundle_corrupt", "labels");
  refused(ask([](TaskModel& m, Provenance&) {
            m.head.output.bias.fill_(std::numeric_limits<float>::quiet_NaN());
          }),
          "version_unusable", "no numbers");
  CHECK(ask(nullptr).error_code.empty());
}

TEST_CASE("adapters stay loaded within a budget of bytes, the least recently used leave first") {
  // Whether one is loaded shows when its file is gone.
  Version small(tiny_bert(), InputShape::text), large(tiny_bert(), InputShape::text, nullptr, 600),
      other(tiny_bert(), InputShape::text,
            [](TaskModel&m, Provenance&) { m.head.output.bias.fill_(1.0); });
  const auto is_loaded = [](Predictor& predictor, Version& version) {
    const std::filesystem::path path = version.request.bundle_path, away = path.string() + ".away";
    std::filesystem::rename(path, away);
    const bool loaded = predictor.answer(version.request).error_code.empty();
    std::filesystem::rename(away, path);
    return loaded;
  };
  // Four bottlenecks of 2 * 16 * size + size + 16 floats and a head of 16 * 16 + 16 + 2 * 16 + 2.
  const auto bytes = [](std::size_t size) {
    return 4 * (4 * (2 * 16 * size + size + 16) + 16 * 16 + 16 + 2 * 16 + 2);
  };
  Predictor predictor(bytes(600) + bytes(6));
  for (Version* version : {&small, &large})
    REQUIRE(predictor.answer(version->request).error_code.empty());
  CHECK(is_loaded(predictor, large));
  CHECK(is_loaded(predictor, small));  // now the last one used
  REQUIRE(predictor.answer(other.request).error_code.empty());
  CHECK_FALSE(is_loaded(predictor, large));
  CHECK(is_loaded(predictor, small));
  CHECK(is_loaded(predictor, other));

  Predictor one(bytes(600) + bytes(6) - 1);
  for (Version* version : {&small, &large})
    REQUIRE(one.answer(version->request).error_code.empty());
  CHECK_FALSE(is_loaded(one, small));
  CHECK(is_loaded(one, large));  // whatever the budget, the one in use

  Predictor none(0);
  REQUIRE(none.answer(large.request).error_code.empty());
  CHECK(is_loaded(none, large));
}

}  // namespace graft
