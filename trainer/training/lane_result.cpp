// From a trained lane to its bundle.
#include "trainer/training/lane_result.h"

#include <string>

#include "trainer/bundle/export_adapterhub.h"
#include "trainer/contract/version.h"
#include "trainer/training/clock.h"

namespace graft {
namespace {

LaneMetrics final_metrics(const Lane& lane) {
  const EpochEnded& best = lane.best->numbers;
  LaneMetrics metrics;
  metrics.task_kind = lane.task.kind->name();
  metrics.primary_metric = lane.primary().name;
  metrics.best_epoch = best.epoch;
  metrics.numbers = best.metrics;
  metrics.training_rows = static_cast<std::int64_t>(lane.training.rows.size());
  metrics.validation_rows = static_cast<std::int64_t>(lane.validation.rows.size());
  metrics.truncated_rows = lane.training.rows.truncated_rows + lane.validation.rows.truncated_rows;
  metrics.steps = lane.step;
  metrics.trained_tokens = lane.sums.tokens;
  metrics.trainable_parameters = lane.optimizer->parameters();
  metrics.training_seconds = lane.sums.seconds;
  metrics.tokens_per_second = lane.sums.tokens_per_second();
  return metrics;
}

}  // namespace

LaneFinished write_result(const Order& order, const BackboneWeights& backbone, const Lane& lane,
                          const std::filesystem::path& run_directory) {
  Provenance provenance;
  provenance.order = lane.order;
  provenance.backbone_name = order.backbone_name;
  provenance.backbone_sha256 = backbone.sha256;
  provenance.program_version = program_version;
  provenance.input = lane.shape;
  provenance.labels = lane.model.labels;
  provenance.metrics = final_metrics(lane);
  provenance.report = lane.best->report;
  provenance.created_at = unix_seconds();
  TaskModel answering = lane.model;
  answering.head = lane.task.kind->answering_head(lane.model.head, lane.task.targets);
  const std::string directory = "lane-" + std::to_string(lane.index);
  std::filesystem::create_directories(run_directory / directory);
  const std::string bundle = directory + "/result.zip";
  const std::string sha256 =
      write_bundle(run_directory / bundle, answering, backbone.config, provenance);
  return {lane.index,         bundle,           sha256, backbone.sha256, lane.model.labels,
          provenance.metrics, provenance.report};
}

}  // namespace graft
