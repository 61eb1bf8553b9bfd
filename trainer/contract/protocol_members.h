// The members of every protocol struct, each list once, for protocol_json.h.
// describe(member, object) calls member(name, field) for each; a writer and a reader are such
// visitors, so the two directions cannot drift. No state: any thread may call.
#pragma once

#include <concepts>
#include <type_traits>

#include "trainer/contract/protocol.h"

namespace graft {

// T is Struct or const Struct: the same list serves reading and writing.
template <class T, class Struct>
concept Of = std::same_as<std::remove_const_t<T>, Struct>;

void describe(auto& member, Of<DataFile> auto& file) {
  member("path", file.path);
  member("name", file.name);
  member("sha256", file.sha256);
}

void describe_hyperparameters(auto& member, Of<LaneOrder> auto& lane) {
  member("method", lane.method);
  if (lane.method != AdapterMethod::head) {  // which has no adapter
    member("size", lane.size);
    member.optional("leave_out", lane.leave_out);
    member("activation", lane.activation);
    member("init_std", lane.init_std);
    member("train_layer_norm", lane.train_layer_norm);
  }
  member("learning_rate", lane.learning_rate);
  member("batch_size", lane.batch_size);
  member("n_epochs", lane.n_epochs);
  member("max_length", lane.max_length);
  member("warmup_ratio", lane.warmup_ratio);
  member("weight_decay", lane.weight_decay);
  member("seed", lane.seed);
}

void describe(auto& member, Of<LaneOrder> auto& lane) {
  member("trial_id", lane.trial_id);
  member("job_id", lane.job_id);
  member("adapter_name", lane.adapter_name);
  member("task_name", lane.task_name);
  member("training_file", lane.training_file);
  member("validation_file", lane.validation_file);
  member("validation_fraction", lane.validation_fraction);
  describe_hyperparameters(member, lane);
}

void describe(auto& member, Of<Order> auto& order) {
  member("run_id", order.run_id);
  member("backbone_name", order.backbone_name);
  member("backbone_directory", order.backbone_directory);
  member("backbone_sha256", order.backbone_sha256);
  member("program_version", order.program_version);
  member("threads", order.threads);
  member("device", order.device);
  member.optional("cache_directory", order.cache_directory);
  member.optional("precision", order.precision);
  member("lanes", order.lanes);
}

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
  member("train_loss", ended.train_loss);
  member("train_accuracy", ended.train_accuracy);
  member.optional("valid_loss", ended.valid_loss);
  member.optional("valid_accuracy", ended.valid_accuracy);
  member.optional("valid_macro_f1", ended.valid_macro_f1);
  member("best", ended.best);
}

void describe(auto& member, Of<LaneMetrics> auto& metrics) {
  member("best_epoch", metrics.best_epoch);
  member("train_loss", metrics.train_loss);
  member.optional("valid_loss", metrics.valid_loss);
  member.optional("valid_accuracy", metrics.valid_accuracy);
  member.optional("valid_macro_f1", metrics.valid_macro_f1);
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

void describe(auto& member, Of<StepTotals> auto& totals) {
  member("loss", totals.loss);
  member("correct", totals.correct);
  member("rows", totals.rows);
  member("tokens", totals.tokens);
  member("steps", totals.steps);
  member("seconds", totals.seconds);
}

void describe(auto& member, Of<LanePosition> auto& position) {
  member("lane", position.lane);
  member("step", position.step);
  member("optimizer_steps", position.optimizer_steps);
  member("total_steps", position.total_steps);
  member("training_rows", position.training_rows);
  member("validation_rows", position.validation_rows);
  member("parameters", position.parameters);
  member("labels", position.labels);
  member("epoch_sums", position.epoch_sums);
  member("sums", position.sums);
  member("evaluation_seconds", position.evaluation_seconds);
  member("best", position.best);
}

void describe(auto& member, Of<CheckpointHeader> auto& header) {
  member("program_version", header.program_version);
  member("order_sha256", header.order_sha256);
  member("time", header.time);
  member("precision", header.precision);
  member("lanes", header.lanes);
}

void describe(auto& member, Of<TextInput> auto& input) {
  member("text", input.text);
  member("text_pair", input.text_pair);
}

void describe(auto& member, Of<PredictRequest> auto& request) {
  member("id", request.id);
  member("backbone_directory", request.backbone_directory);
  member("backbone_sha256", request.backbone_sha256);
  member("bundle_path", request.bundle_path);
  member("bundle_sha256", request.bundle_sha256);
  member("inputs", request.inputs);
}

void describe(auto& member, Of<LabelScore> auto& score) {
  member("label", score.label);
  member("score", score.score);
}

void describe(auto& member, Of<PredictResponse> auto& response) {
  member("id", response.id);
  member("predictions", response.predictions);
  member("tokens", response.tokens);
  member("error_code", response.error_code);
  member("error_message", response.error_message);
}

}  // namespace graft
