// The table of metrics, and what is made of it.
#include "trainer/contract/metrics.h"

#include <doctest/doctest.h>

#include <limits>
#include <set>
#include <stdexcept>

#include "trainer/contract/record.h"

namespace graft {

TEST_CASE("every metric has one row and a sentence, and every kind its own") {
  std::set<std::string_view> names, columns;
  for (const Metric& row : metric_table()) {
    CAPTURE(row.name);
    CHECK(names.insert(row.name).second);
    CHECK((row.column.empty() || columns.insert(row.column).second));
    CHECK_FALSE(row.doc.empty());
    CHECK_FALSE(row.checkpoint_name.empty());
  }
  for (const std::string_view kind : task_kind_names())
    for (const std::string_view name : metrics_of(*parse_task_kind(kind)))
      CHECK(metric(name).split == Metric::Split::validation);
  CHECK(primary_metric(TaskKind::classification).name == "valid_accuracy");
  CHECK(primary_metric(TaskKind::automatic).name == "valid_accuracy");
  CHECK(primary_metric(TaskKind::multi_label).name == "valid_macro_f1");
  CHECK(primary_metric(TaskKind::regression).name == "valid_pearson");
  CHECK(words_of(metric("valid_macro_f1")) == "macro F1");
  CHECK(metric("valid_loss").better == Metric::Better::smaller);
  CHECK_THROWS_AS(metric("loss"), std::logic_error);
}

TEST_CASE("numbers stand in the table's order, and what is not finite is absent") {
  Metrics metrics;
  metrics.set("valid_loss", 0.5);
  metrics.set("train_loss", 0.25);
  CHECK(write_metrics_text(metrics) == R"({"train_loss":0.25,"valid_loss":0.5})");
  metrics.set("valid_loss", std::numeric_limits<double>::quiet_NaN());
  metrics.set("valid_accuracy", std::numeric_limits<double>::infinity());
  CHECK(metrics == Metrics{{"train_loss", 0.25}});
  CHECK_FALSE(metrics.get("valid_loss"));
  metrics.add({{"train_loss", 1.0 / 3}, {"valid_macro_f1", 1}});
  CHECK(parse_metrics_text(write_metrics_text(metrics)) == metrics);
  CHECK(parse_metrics_text(R"({"train_loss":null,"of_tomorrow":1})").empty());
  CHECK_THROWS_AS(parse_metrics_text("[]"), ProtocolError);
  CHECK_THROWS_AS(metrics.set("loss", 1), std::logic_error);
}

TEST_CASE("the better epoch: by accuracy, by loss where they tie, the later without validation") {
  const auto epoch = [](double accuracy, double loss) {
    return Metrics{{"valid_accuracy", accuracy}, {"valid_loss", loss}};
  };
  const auto is_better = [](const Metrics& now, const Metrics& before) {
    return graft::is_better(primary_metric(TaskKind::classification), now, before);
  };
  CHECK(is_better(epoch(0.9, 2), epoch(0.8, 1)));
  CHECK_FALSE(is_better(epoch(0.8, 1), epoch(0.9, 2)));
  CHECK(is_better(epoch(0.9, 1), epoch(0.9, 2)));
  CHECK_FALSE(is_better(epoch(0.9, 2), epoch(0.9, 1)));
  CHECK_FALSE(is_better(epoch(0.9, 1), epoch(0.9, 1)));
  CHECK(is_better({{"train_loss", 2}}, {{"train_loss", 1}}));
  // A number is better than none, and of none the loss decides.
  CHECK(is_better(epoch(0.1, 2), {{"valid_loss", 1}}));
  CHECK_FALSE(is_better({{"valid_loss", 1}}, epoch(0.1, 2)));
  CHECK(is_better({{"valid_loss", 1}}, {{"valid_loss", 2}}));
  CHECK_FALSE(is_better({{"valid_loss", 2}}, {{"valid_loss", 1}}));
}

TEST_CASE("records of programs before, with every number or null for none, are read") {
  const Record record = parse_record(
      R"({"type":"epoch_ended","time":1,"lane":0,"epoch":1,"step":2,"train_loss":0.5,)"
      R"("train_accuracy":0.75,"valid_loss":null,"valid_accuracy":null,"valid_macro_f1":null,)"
      R"("best":true})");
  CHECK(std::get<EpochEnded>(record.body).metrics ==
        Metrics{{"train_loss", 0.5}, {"train_accuracy", 0.75}});
  CHECK(parse_lane_metrics(
            R"({"best_epoch":3,"train_loss":0.1,"valid_loss":0.2,"valid_accuracy":0.9,)"
            R"("valid_macro_f1":0.8,"training_rows":1,"validation_rows":1,"truncated_rows":0,)"
            R"("steps":9,"trained_tokens":1,"trainable_parameters":1,"training_seconds":1,)"
            R"("tokens_per_second":1})")
            .numbers.get("valid_macro_f1") == 0.8);
}

}  // namespace graft
