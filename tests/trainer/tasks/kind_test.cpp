// What kinds of task make of logits: losses, answers, measures and plain words.
#include "trainer/tasks/kind.h"

#include <doctest/doctest.h>
#include <torch/torch.h>

#include <cmath>

namespace graft {
namespace {

using Ids = std::vector<std::int32_t>;

const Kind& multi_label = kind_named(TaskKind::multi_label);
const Kind& regression = kind_named(TaskKind::regression);

Targets sets(std::vector<Ids> labels) {
  return {.labels = std::move(labels)};
}

}  // namespace

TEST_CASE("every kind has a name, a head and metrics; what is not said is a classification") {
  for (const std::string_view name : task_kind_names()) {
    const TaskKind kind = *parse_task_kind(name);
    if (kind != TaskKind::automatic) CHECK(kind_named(kind).name() == kind);
    CHECK_FALSE(kind_named(kind).head_type().empty());
    CHECK_FALSE(metrics_of(kind).empty());
    CHECK_FALSE(score_function(kind).empty());
  }
  CHECK(kind_named(TaskKind::automatic).name() == TaskKind::classification);
}

TEST_CASE(
    "the loss of sets of labels is the mean binary cross-entropy, and a set is right as a whole") {
  const Targets targets = sets({{0, 2}, {}});
  const at::Tensor batch = multi_label.batch(targets, Ids{0, 1, 0}, 3);
  CHECK(at::equal(batch,
                  torch::tensor({{1.0F, 0.0F, 1.0F}, {0.0F, 0.0F, 0.0F}, {1.0F, 0.0F, 1.0F}})));
  const at::Tensor logits =
      torch::tensor({{2.0F, -1.0F, 0.5F}, {-1.0F, -1.0F, 1.0F}, {2.0F, -1.0F, -0.5F}});
  double expected = 0;
  for (int row = 0; row < 3; ++row)
    for (int label = 0; label < 3; ++label) {
      const double z = logits[row][label].item<double>(), y = batch[row][label].item<double>();
      expected -= y * std::log(1 / (1 + std::exp(-z))) + (1 - y) * std::log(1 / (1 + std::exp(z)));
    }
  CHECK(multi_label.loss(logits, batch).item<double>() == doctest::Approx(expected / 9));
  CHECK(multi_label.right(logits, batch) == 1);
  CHECK(multi_label.row_loss(logits[0], targets, 0) ==
        doctest::Approx(
            multi_label.loss(logits.slice(0, 0, 1), batch.slice(0, 0, 1)).item<double>()));
}

TEST_CASE(
    "the threshold is the hundredth with the best macro F1, the nearest to a half of equals") {
  const Targets targets = sets({{0}, {1}, {0, 1}, {}});
  const std::vector<std::string> labels = {"a", "b"};
  const Ids training = {3, 3, 0}, validation = {0, 1, 2, 3};
  const auto measured = [&](const std::vector<float>& scores) {
    return multi_label.measure({targets, training, validation, labels, scores});
  };
  // All is right from above 0.2 up to 0.3.
  const Measured low = measured({0.3F, 0.2F, 0.1F, 0.3F, 0.3F, 0.3F, 0.2F, 0.2F});
  CHECK(low.report.threshold == 0.25);
  CHECK(low.metrics.get("valid_macro_f1") == 1.0);
  CHECK(low.metrics.get("valid_average_precision") == 1.0);
  CHECK(low.report.labels[0].rows == 2);
  CHECK(low.report.labels[0].predicted == 2);
  CHECK(low.report.baseline.answer == "always every label");
  CHECK(low.report.baseline.metrics.get("valid_macro_f1") == doctest::Approx(2.0 / 3));
  CHECK(measured({0.9F, 0.1F, 0.1F, 0.9F, 0.9F, 0.9F, 0.1F, 0.1F}).report.threshold == 0.5);
  // A score that is the threshold itself is answered, as a prediction's float is.
  for (int step = 1; step < 1000; step += 7) {
    const auto at = static_cast<float>(step / 1000.0);
    const float below = std::nextafter(at, 0.0F);
    const Measured edge = measured({at, below, below, at, at, at, below, below});
    CHECK(edge.report.threshold == step / 1000.0);
    CHECK(edge.metrics.get("valid_macro_f1") == 1.0);
  }
  CHECK(multi_label.threshold(low.report) == 0.25);
  CHECK(multi_label.threshold(std::nullopt) == 0.5);
  CHECK_FALSE(kind_named(TaskKind::classification).threshold(std::nullopt));
}

TEST_CASE("a regression's folded head answers in the customer's units, with the loss of training") {
  Targets targets;
  targets.numbers = {10, 40};
  targets.mean = 20;
  targets.deviation = 5;
  const at::Tensor batch = regression.batch(targets, Ids{0, 1}, 1);
  CHECK(at::equal(batch, torch::tensor({{-2.0F}, {4.0F}})));
  torch::manual_seed(1);
  Head head = make_head(4, 1);
  for (at::Tensor* tensor : {&head.dense.weight, &head.output.weight, &head.output.bias})
    tensor->normal_();
  const Head folded = regression.answering_head(head, targets);
  const at::Tensor states = torch::randn({2, 4});
  const std::vector<std::int64_t> rows = {0, 1};
  const at::Tensor trained = head_logits(head, states, 0.0, {}, rows);
  const at::Tensor answered = head_logits(folded, states, 0.0, {}, rows);
  CHECK((trained * 5 + 20 - answered).abs().max().item<double>() < 1e-4);
  CHECK(regression.scores(answered[0])[0] == answered[0].item<float>());
  const double mean_of_rows = (regression.row_loss(answered[0], targets, 0) +
                               regression.row_loss(answered[1], targets, 1)) /
                              2;
  CHECK(regression.loss(trained, batch).item<double>() ==
        doctest::Approx(mean_of_rows).epsilon(1e-4));
  CHECK_FALSE(regression.right(trained, batch));
}

TEST_CASE("what a version is no better than, and what it never answers, is said plainly") {
  const Kind& classification = kind_named(TaskKind::classification);
  const Targets targets = sets({{0}, {1}, {2}});
  const std::vector<std::string> labels = {"a", "b", "c"};
  const Ids training = {0, 0, 1, 2}, validation = {0, 0, 1, 2};
  const auto told = [&](const std::vector<float>& answers) {
    const Measured measured =
        classification.measure({targets, training, validation, labels, answers});
    std::string words;
    for (const DataNote& note :
         honest_notes(TaskKind::classification, measured.metrics, measured.report))
      words += note.level + " " + note.message + "\n";
    return words;
  };
  CHECK(classification.kept_scores(std::vector<float>{0.1F, 0.7F, 0.2F}) == std::vector<float>{1});
  CHECK(
      told({0, 0, 0, 0}) ==
      "warn The version is no better than an answer without a model: its accuracy on the "
      "validation rows is 0.5, where always \"a\" (the commonest label of the training rows) gets "
      "0.5.\n"
      "warn The version never answers 2 of the 3 labels of the validation rows: \"b\", \"c\".\n");
  CHECK(told({0, 0, 1, 2}) == "");
  const Measured measured = classification.measure(
      {targets, training, validation, labels, std::vector<float>{0, 1, 1, 2}});
  REQUIRE(measured.report.confusion.size() == 4);
  CHECK(measured.report.confusion[1].truth == 0);
  CHECK(measured.report.confusion[1].predicted == 1);
  CHECK(measured.report.confusion[1].rows == 1);
}

TEST_CASE("a report has room for some thousand cells, those with the most rows") {
  const Kind& classification = kind_named(TaskKind::classification);
  constexpr std::int32_t count = 200;
  std::vector<Ids> own;
  std::vector<std::string> labels;
  for (std::int32_t label = 0; label < count; ++label) {
    own.push_back({label});
    labels.push_back(std::to_string(label));
  }
  const Targets targets = sets(own);
  Ids truth;
  std::vector<float> answers;
  for (std::int32_t i = 0; i < count * count; ++i) {
    truth.push_back(i / count);
    answers.push_back(static_cast<float>(i % count));
  }
  for (int i = 0; i < 5; ++i) {
    truth.push_back(count - 1);
    answers.push_back(static_cast<float>(count - 1));
  }
  const Measured measured = classification.measure({targets, truth, truth, labels, answers});
  CHECK(measured.report.confusion.size() == most_confusion_cells);
  CHECK(measured.report.confusion.back().rows == 6);
  CHECK(write_task_report(measured.report).size() < (1U << 20));
}

}  // namespace graft
