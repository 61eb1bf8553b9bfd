// The numbers told for a version are those that its predictions give, to the last bit.
#include <doctest/doctest.h>
#include <torch/torch.h>

#include <algorithm>

#include "tests/trainer/tiny_run.h"
#include "trainer/fast/engine.h"
#include "trainer/serving/predictor.h"
#include "trainer/tasks/metrics.h"
#include "trainer/text/dataset.h"

namespace graft {
namespace {

// Every third label is another one, so that many rows are near a border.
std::string noisy_rows(int rows, std::uint64_t seed) {
  std::string lines = tiny_rows(4, rows, seed), noisy;
  std::istringstream stream(lines);
  std::vector<std::string> labels{"good", "bad", "rain", "cat"};
  int row = 0;
  for (std::string line; std::getline(stream, line); ++row) {
    if (row % 3 == 0) {
      const std::size_t place = line.find(R"("label": ")") + 10;
      line = line.substr(0, place) + labels[static_cast<std::size_t>(row / 3 % 4)] + "\"}";
    }
    noisy += line + "\n";
  }
  return noisy;
}

Metrics count(const PredictResponse& response, const std::vector<Row>& rows,
              const std::vector<std::string>& labels) {
  const auto id = [&](const std::string& label) {
    return static_cast<std::int32_t>(std::ranges::find(labels, label) - labels.begin());
  };
  std::vector<std::int32_t> predicted, truth;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    predicted.push_back(id(response.predictions.at(i).at(0).label));
    truth.push_back(id(rows[i].label));
  }
  const auto counts = count_labels(predicted, truth, labels.size());
  return {{"valid_accuracy", accuracy(predicted, truth)},
          {"valid_macro_f1", macro_f1_of_present(counts)},
          {"valid_weighted_f1", weighted_f1(counts)},
          {"valid_matthews", matthews_correlation(predicted, truth)}};
}

}  // namespace

TEST_CASE("predicting the validation file gives the metrics that were told") {
  const ScratchDirectory scratch;
  const auto validation = scratch.path() / "validation.jsonl";
  write_text(validation, noisy_rows(150, 99));
  const DataFile file{validation.string(), "validation.jsonl", sha256_of_file(validation)};
  std::vector<LaneOrder> lanes = three_lanes(scratch);
  for (LaneOrder& lane : partly_frozen_lanes(scratch)) lanes.push_back(lane);
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    LaneOrder& lane = lanes[i];
    write_text(lane.training_file.path, noisy_rows(90, 10 + i));
    lane.training_file.sha256 = sha256_of_file(lane.training_file.path);
    lane.validation_file = file;
    lane.n_epochs = 6;
  }
  const auto backbone = load_backbone(tiny_bert());
  const bool has_bf16 = Engine(*backbone, {1, Precision::automatic, {}}).product_speeds().bf16 > 0;
  const std::vector<Row> rows = read_rows(file, FileRole::validation);
  for (const Precision precision : {Precision::fp32, Precision::bf16}) {
    if (precision == Precision::bf16 && !has_bf16) continue;
    CAPTURE(to_string(precision));
    Order order = tiny_order(lanes);
    order.precision = precision;
    order.threads = 2;
    const auto directory = scratch.path() / std::string(to_string(precision));
    const auto records = run(order, directory);
    for (int lane = 0; lane < static_cast<int>(lanes.size()); ++lane) {
      CAPTURE(lane);
      const LaneFinished told = all<LaneFinished>(records, lane).at(0);
      PredictRequest request;
      request.backbone_directory = tiny_bert().string();
      request.bundle_path = (directory / told.bundle).string();
      request.bundle_sha256 = told.bundle_sha256;
      for (const Row& row : rows) request.inputs.push_back({row.text, row.text_pair});
      for (const int threads : {1, 3}) {
        Predictor predictor(1 << 20, threads);
        const PredictResponse response = predictor.answer(request);
        REQUIRE(response.error_message == "");
        const Metrics counted = count(response, rows, told.labels);
        CHECK(counted.get("valid_accuracy"));
        for (const Metric& metric : metric_table())
          if (const auto number = counted.get(metric.name))
            CHECK_MESSAGE(number == told.metrics.numbers.get(metric.name), metric.name);
      }
      const auto epochs = all<EpochEnded>(records, lane);
      REQUIRE(epochs.size() == 6);
      const EpochEnded& served = epochs.at(static_cast<std::size_t>(told.metrics.best_epoch - 1));
      CHECK(served.metrics.get("valid_accuracy") == told.metrics.numbers.get("valid_accuracy"));
      CHECK(served.metrics.get("valid_loss") == told.metrics.numbers.get("valid_loss"));
    }
  }
}

TEST_CASE("rows have the same logits alone, together, and from kept states") {
  const auto backbone = load_backbone(tiny_bert());
  const Tokenizer tokenizer = Tokenizer::load(tiny_bert());
  const std::vector<TextInput> inputs{{"the film is good", std::nullopt},
                                      {"rain", std::nullopt},
                                      {"a very very bad movie", "it was fine"}};
  const TokenizedRows rows = tokenize_inputs(tokenizer, inputs, 16);
  const std::vector<std::size_t> all{2, 0, 1};
  for (const std::vector<int>& leave_out :
       {std::vector<int>{}, std::vector<int>{0}, std::vector<int>{0, 1}})
    for (const Readout readout : {Readout::cls, Readout::mean}) {
      CAPTURE(leave_out.size());
      CAPTURE(static_cast<int>(readout));
      LaneOrder order;
      order.adapter_name = "t";
      order.size = 4;
      order.init_std = 0.3;
      order.leave_out = leave_out;
      TaskModel model = make_task_model(order, {"a", "b", "c"}, *backbone);
      initialize(model, order, *backbone);
      model.head.readout = readout;
      std::vector<at::Tensor> states(all.size());
      std::vector<at::Tensor*> kept;
      for (at::Tensor& state : states) kept.push_back(&state);
      const auto together = logits_of_rows(*backbone, model, {&rows, all});
      const auto first = logits_of_rows(*backbone, model, {&rows, all}, kept);
      const auto again = logits_of_rows(*backbone, model, {&rows, all}, kept);
      for (std::size_t i = 0; i < all.size(); ++i) {
        const auto alone = logits_of_rows(*backbone, model, {&rows, {&all[i], 1}}).at(0);
        CHECK(at::equal(alone, together[i]));
        CHECK(at::equal(alone, first[i]));
        CHECK(states[i].defined());
        CHECK(at::equal(alone, again[i]));
      }
    }
}

}  // namespace graft
