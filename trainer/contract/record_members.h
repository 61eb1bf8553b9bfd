// The members of records, each list once, for members_json.h.
#pragma once

#include "trainer/contract/members_json.h"
#include "trainer/contract/metrics_members.h"
#include "trainer/contract/record.h"
#include "trainer/contract/task_report_members.h"

namespace graft {

void describe(auto& member, Of<RunStarted> auto& started) {
  member("pid", started.pid);
  member("program_version", started.program_version);
  member("backbone_sha256", started.backbone_sha256);
  member("device", started.device);
  member("processor", started.processor);
  member("threads", started.threads);
  member.optional("order_sha256", started.order_sha256);
  member.optional("precision", started.precision);
}

void describe(auto& member, Of<DataReady> auto& ready) {
  member("lane", ready.lane);
  member("training_rows", ready.training_rows);
  member("validation_rows", ready.validation_rows);
  member("truncated_rows", ready.truncated_rows);
  member.optional("task_kind", ready.task_kind);
  member("labels", ready.labels);
  member("total_steps", ready.total_steps);
  member("trainable_parameters", ready.trainable_parameters);
}

void describe(auto& member, Of<Progress> auto& progress) {
  member("lane", progress.lane);
  member("step", progress.step);
  member("total_steps", progress.total_steps);
  member("epoch", progress.epoch);
  member("train_loss", progress.train_loss);
  member("train_accuracy", progress.train_accuracy);
  member("learning_rate", progress.learning_rate);
  member("tokens_per_second", progress.tokens_per_second);
  member("eta_seconds", progress.eta_seconds);
  member("trained_tokens", progress.trained_tokens);
  member.optional("utilization", progress.utilization);
}

void describe(auto& member, Of<EpochEnded> auto& ended) {
  member("lane", ended.lane);
  member("epoch", ended.epoch);
  member("step", ended.step);
  describe_numbers(member, ended.metrics);
  member.optional("primary_metric", ended.primary_metric);
  member("best", ended.best);
}

void describe(auto& member, Of<LaneMetrics> auto& metrics) {
  member.optional("task_kind", metrics.task_kind);
  member.optional("primary_metric", metrics.primary_metric);
  member("best_epoch", metrics.best_epoch);
  describe_numbers(member, metrics.numbers);
  member("training_rows", metrics.training_rows);
  member("validation_rows", metrics.validation_rows);
  member("truncated_rows", metrics.truncated_rows);
  member("steps", metrics.steps);
  member("trained_tokens", metrics.trained_tokens);
  member("trainable_parameters", metrics.trainable_parameters);
  member("training_seconds", metrics.training_seconds);
  member("tokens_per_second", metrics.tokens_per_second);
}

void describe(auto& member, Of<LaneFinished> auto& finished) {
  member("lane", finished.lane);
  member("bundle", finished.bundle);
  member("bundle_sha256", finished.bundle_sha256);
  member("backbone_sha256", finished.backbone_sha256);
  member("labels", finished.labels);
  member("metrics", finished.metrics);
  member.optional("report", finished.report);
}

void describe(auto& member, Of<LaneFailed> auto& failed) {
  member("lane", failed.lane);
  member("code", failed.code);
  member("message", failed.message);
  member("param", failed.param);
}

void describe(auto& member, Of<RunFailed> auto& failed) {
  member("code", failed.code);
  member("message", failed.message);
  member("param", failed.param);
}

void describe(auto& member, Of<RunFinished> auto& finished) {
  member("cancelled", finished.cancelled);
}

void describe(auto& member, Of<Notice> auto& notice) {
  member("lane", notice.lane);
  member("level", notice.level);
  member("message", notice.message);
}

}  // namespace graft
