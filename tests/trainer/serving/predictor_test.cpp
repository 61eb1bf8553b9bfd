// Predictions: the same bits in any company, clear errors, and the socket that serves them.
#include "trainer/serving/predictor.h"

#include <doctest/doctest.h>
#include <torch/torch.h>

#include "tests/trainer/tiny_task.h"

namespace graft {
namespace {

struct Published {
  ScratchDirectory scratch;
  PredictRequest request;

  explicit Published(const std::string& name = "t_1", std::uint64_t seed = 5) {
    const auto backbone = load_backbone(tiny_bert());
    LaneOrder order;
    order.adapter_name = name;
    order.size = 6;
    order.seed = seed;
    order.init_std = 0.3;
    order.max_length = 12;
    TaskModel model = make_task_model(order, {"bad", "good", "other"}, *backbone);
    initialize(model, order, *backbone);
    Provenance provenance;
    provenance.order = order;
    provenance.backbone_sha256 = backbone->sha256;
    provenance.labels = model.labels;
    request.id = 17;
    request.backbone_directory = tiny_bert().string();
    request.backbone_sha256 = backbone->sha256;
    request.bundle_path = (scratch.path() / "adapter.zip").string();
    request.bundle_sha256 = write_bundle(request.bundle_path, model, backbone->config, provenance);
  }
};

bool same(const std::vector<LabelScore>& a, const std::vector<LabelScore>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i].label != b[i].label || a[i].score != b[i].score) return false;
  return true;
}

}  // namespace

TEST_CASE("each input gets every label by falling score, the same bits alone and in company") {
  Published published;
  published.request.inputs = {{"the film is good", std::nullopt},
                              {"rain", std::nullopt},
                              {"a very very bad movie , not the best", "it was fine"},
                              {"", std::nullopt}};
  Predictor predictor(4);
  const PredictResponse all = predictor.answer(published.request);
  REQUIRE(all.error_code.empty());
  CHECK(all.id == 17);
  REQUIRE(all.predictions.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    PredictRequest one = published.request;
    one.inputs = {published.request.inputs[i]};
    CHECK(same(Predictor(1).answer(one).predictions.at(0), all.predictions[i]));
    CHECK(same(Predictor(1, 3).answer(published.request).predictions.at(i), all.predictions[i]));
    double sum = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      sum += all.predictions[i][k].score;
      if (k > 0) CHECK(all.predictions[i][k].score <= all.predictions[i][k - 1].score);
    }
    CHECK(sum == doctest::Approx(1.0));
  }
}

TEST_CASE("a text over the adapter's max_length is cut as in training") {
  Published published;
  std::string text = "good";
  for (int i = 0; i < 30; ++i) text += " the";
  published.request.inputs = {{text, std::nullopt}, {text + " cat", std::nullopt}};
  const PredictResponse response = Predictor(1).answer(published.request);
  CHECK(response.tokens == 24);
  CHECK(same(response.predictions.at(0), response.predictions.at(1)));
}

TEST_CASE("adapters leave the cache and come back with the same bits") {
  Published first("t_1", 5), second("t_2", 6);
  for (Published* published : {&first, &second})
    published->request.inputs = {{"the cat", std::nullopt}};
  Predictor predictor(1);
  const auto before = predictor.answer(first.request).predictions.at(0);
  const auto other = predictor.answer(second.request).predictions.at(0);
  CHECK_FALSE(same(before, other));
  CHECK(same(before, predictor.answer(first.request).predictions.at(0)));
}

TEST_CASE("what cannot be answered says why, and the next request is served") {
  Published published;
  published.request.inputs = {{"the cat", std::nullopt}};
  Predictor predictor(2);
  const auto code = [&](auto change) {
    PredictRequest request = published.request;
    change(request);
    const PredictResponse response = predictor.answer(request);
    CHECK(response.predictions.empty());
    CHECK_FALSE(response.error_message.empty());
    return response.error_code;
  };
  CHECK(code([](auto& r) { r.bundle_path += ".gone"; }) == "bundle_missing");
  CHECK(code([](auto& r) { r.bundle_sha256 = std::string(64, '1'); }) == "bundle_corrupt");
  CHECK(code([](auto& r) { r.backbone_directory += "/nowhere"; }) == "backbone_missing");
  CHECK(code([](auto& r) { r.backbone_sha256 = std::string(64, '1'); }) == "backbone_mismatch");
  CHECK(code([](auto& r) {
          write_text(r.bundle_path + ".bad", "PK no zip");
          r.bundle_path += ".bad";
          r.bundle_sha256 = sha256_of_file(r.bundle_path);
        }) == "bundle_corrupt");
  CHECK(predictor.answer(published.request).error_code.empty());
}

}  // namespace graft
