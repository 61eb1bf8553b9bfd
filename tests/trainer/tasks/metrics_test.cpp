// Metrics are scikit-learn's and scipy's, on cases that tools/export_reference_metrics.py made.
#include "trainer/tasks/metrics.h"

#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

namespace graft {
namespace {

using Json = nlohmann::json;

const Json& reference() {
  static const Json cases =
      Json::parse(std::ifstream(std::string(GRAFT_SOURCE_DIR) + "/tests/reference/metrics.json"));
  return cases;
}

void check_equal(double value, const Json& expected, double tolerance = 1e-12) {
  if (expected.is_null())
    CHECK(std::isnan(value));
  else
    CHECK(std::abs(value - expected.get<double>()) <=
          tolerance * std::max(1.0, std::abs(expected.get<double>())));
}

}  // namespace

TEST_CASE("metrics of single labels are scikit-learn's") {
  for (const Json& known : reference()["classification"]) {
    CAPTURE(known.dump());
    const auto predicted = known["predicted"].get<std::vector<std::int32_t>>();
    const auto truth = known["truth"].get<std::vector<std::int32_t>>();
    const auto labels = known["labels"].get<std::size_t>();
    const std::vector<LabelCounts> counts = count_labels(predicted, truth, labels);
    check_equal(accuracy(predicted, truth), known["accuracy"]);
    check_equal(macro_f1_of_present(counts), known["macro_f1"]);
    check_equal(weighted_f1(counts), known["weighted_f1"]);
    check_equal(matthews_correlation(predicted, truth), known["matthews"]);
    for (std::size_t label = 0; label < labels; ++label) {
      check_equal(counts[label].precision(), known["precision"][label]);
      check_equal(counts[label].recall(), known["recall"][label]);
      check_equal(counts[label].f1(), known["f1"][label]);
      CHECK(counts[label].truly == known["rows"][label].get<std::int64_t>());
    }
  }
  CHECK(accuracy({}, {}) == 0.0);
  CHECK(matthews_correlation({}, {}) == 0.0);
}

TEST_CASE("areas under curves are scikit-learn's") {
  for (const Json& known : reference()["ranking"]) {
    CAPTURE(known.dump());
    const auto scores = known["scores"].get<std::vector<float>>();
    const auto positive = known["positive"].get<std::vector<std::uint8_t>>();
    check_equal(roc_auc(scores, positive), known["roc_auc"]);
    check_equal(average_precision(scores, positive), known["average_precision"]);
  }
}

TEST_CASE("metrics of sets of labels are scikit-learn's") {
  for (const Json& known : reference()["multi_label"]) {
    CAPTURE(known.dump());
    std::vector<LabelCounts> counts(known["truth"][0].size());
    for (std::size_t row = 0; row < known["truth"].size(); ++row)
      for (std::size_t label = 0; label < counts.size(); ++label) {
        const auto truly = known["truth"][row][label].get<std::int64_t>();
        const auto predicted = known["predicted"][row][label].get<std::int64_t>();
        counts[label].truly += truly;
        counts[label].predicted += predicted;
        counts[label].hits += truly * predicted;
      }
    check_equal(macro_f1_of_all(counts), known["macro_f1"]);
    check_equal(micro_f1(counts), known["micro_f1"]);
  }
}

TEST_CASE("metrics of numbers are scipy's and scikit-learn's") {
  for (const Json& known : reference()["numbers"]) {
    CAPTURE(known.dump());
    const auto predicted = known["predicted"].get<std::vector<double>>();
    const auto truth = known["truth"].get<std::vector<double>>();
    check_equal(pearson(predicted, truth), known["pearson"], 1e-9);
    check_equal(spearman(predicted, truth), known["spearman"]);
    check_equal(mean_squared_error(predicted, truth), known["mse"]);
    check_equal(mean_absolute_error(predicted, truth), known["mae"]);
  }
  CHECK(std::isnan(mean_squared_error({}, {})));
}

}  // namespace graft
