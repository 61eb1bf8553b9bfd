// From an order and its files to a lane.
#include "trainer/training/lane.h"

#include <torch/torch.h>

#include <algorithm>
#include <iterator>

#include "trainer/model/token_bounds.h"
#include "trainer/text/data_findings.h"
#include "trainer/text/dataset.h"
#include "trainer/training/lane_failure.h"
#include "trainer/training/learning_rate.h"

namespace graft {
namespace {

LaneData choose(const TokenizedFile& file, ChosenRows chosen) {
  LaneData data;
  data.targets = std::move(chosen.targets);
  data.rows = file.choose(std::move(chosen.rows));
  return data;
}

void check_left_out(const LaneOrder& order, const BackboneConfig& config) {
  std::int64_t least = 0;
  for (const int layer : order.leave_out) {
    if (layer < least || layer >= config.layers)
      throw LaneError("invalid_leave_out",
                      "leave_out must name layers of the backbone, 0 to " +
                          std::to_string(config.layers - 1) + ", once each and rising; " +
                          std::to_string(layer) + " is not in place there",
                      "adapter.leave_out");
    least = layer + 1;
  }
}

void check_order(const LaneOrder& order, const BackboneConfig& config) {
  check_left_out(order, config);
  if (order.max_length > config.max_positions)
    throw LaneError("invalid_max_length",
                    "max_length " + std::to_string(order.max_length) +
                        " is more than the backbone's " + std::to_string(config.max_positions) +
                        " positions",
                    "max_length");
  if (order.size < 1 || order.batch_size < 1 || order.n_epochs < 1 || order.max_length < 3)
    throw LaneError("invalid_order",
                    "adapter size, batch size and epochs must be at least 1, "
                    "max_length at least 3");
}

// Of all rows of the file, before any is chosen.
void check_tokens(const TokenizedFile& file, const DataFile& source, FileRole role,
                  const BackboneConfig& config) {
  const auto& [ids, type_ids, offsets, owner] = file.tokens;
  for (std::size_t row = 0; row < file.rows(); ++row) {
    const auto begin = static_cast<std::size_t>(offsets[row]);
    const std::size_t count = static_cast<std::size_t>(offsets[row + 1]) - begin;
    const auto fault =
        fault_of_tokens(config, ids.subspan(begin, count), type_ids.subspan(begin, count));
    if (fault)
      throw DataError(role, source.name, file.labels.lines[row], "",
                      "the row " + *fault + "; change the row or choose another backbone");
  }
}

}  // namespace

void StepSums::add(const StepSums& other) {
  flops += other.flops;
  loss += other.loss;
  if (other.correct) correct = correct.value_or(0) + *other.correct;
  rows += other.rows;
  tokens += other.tokens;
  steps += other.steps;
  seconds += other.seconds;
}

double Lane::learning_rate() const {
  return learning_rate_at(std::min(step, total_steps - 1), total_steps, warmup_steps,
                          order.learning_rate);
}

std::optional<LaneInput> read_lane_input(const LaneOrder& order, const BackboneConfig& config,
                                         TokenCache& tokens, const std::function<bool()>& stop) {
  check_order(order, config);
  const auto training = tokens.get(order.training_file, FileRole::training, order.max_length, stop,
                                   {order.task_kind, order.columns});
  if (!training) return std::nullopt;
  check_tokens(*training, order.training_file, FileRole::training, config);
  std::shared_ptr<const TokenizedFile> validation;
  if (order.validation_file) {
    validation = tokens.get(*order.validation_file, FileRole::validation, order.max_length, stop,
                            {order.task_kind, order.columns});
    if (!validation) return std::nullopt;
    check_tokens(*validation, *order.validation_file, FileRole::validation, config);
  }
  const bool asked = order.task_kind != TaskKind::automatic;
  const Kind& kind = kind_named(asked ? order.task_kind : recognize_kind(training->labels));
  const std::string validation_name = validation ? order.validation_file->name : "";
  TaskPlan plan = kind.plan({training->labels, order.training_file.name,
                             validation ? &validation->labels : nullptr, validation_name,
                             order.validation_fraction, order.seed});
  LaneInput input;
  input.task = {&kind, std::move(plan.targets)};
  input.shape = training->labels.pairs ? InputShape::pair : InputShape::text;
  if (!asked && kind.name() != TaskKind::classification)
    input.notes.push_back({"info", recognized_in_words(kind.name(), training->labels)});
  for (DataNote& note : find_in_data(*training, order.training_file.name, validation.get(),
                                     validation_name, learns_labels(kind.name())))
    input.notes.push_back(std::move(note));
  std::move(plan.notes.begin(), plan.notes.end(), std::back_inserter(input.notes));
  input.labels = std::move(plan.labels);
  input.training = choose(*training, std::move(plan.training));
  input.validation = choose(validation ? *validation : *training, std::move(plan.validation));
  return input;
}

std::unique_ptr<Lane> build_lane(int index, const LaneOrder& order, const BackboneWeights& backbone,
                                 LaneInput input) {
  auto lane = std::make_unique<Lane>();
  lane->index = index;
  lane->order = order;
  lane->shape = input.shape;
  lane->task = std::move(input.task);
  lane->order.task_kind = lane->task.kind->name();
  lane->training = std::move(input.training);
  lane->validation = std::move(input.validation);
  lane->training_tokens = lane->training.rows.tokens();

  const auto rows = static_cast<std::int64_t>(lane->training.rows.size());
  lane->steps_per_epoch = (rows + order.batch_size - 1) / order.batch_size;
  lane->total_steps = lane->steps_per_epoch * order.n_epochs;
  lane->warmup_steps = warmup_steps(lane->total_steps, order.warmup_ratio);

  lane->model = make_task_model(order, input.labels, backbone);
  initialize(lane->model, order, backbone);
  const auto work = [&](const TokenizedRows& data, bool frozen_kept) {
    double flops = 0;
    for (std::size_t row = 0; row < data.size(); ++row)
      flops += training_flops(backbone.config, lane->model, data.length(row), frozen_kept);
    return flops;
  };
  lane->first_epoch_work = work(lane->training.rows, false);
  lane->epoch_work = work(lane->training.rows, true);
  lane->first_evaluation_work = work(lane->validation.rows, false);
  lane->evaluation_work = work(lane->validation.rows, true);
  std::vector<at::Tensor*> tensors;
  visit_tensors(lane->model,
                [&](const std::string&, at::Tensor& tensor) { tensors.push_back(&tensor); });
  lane->optimizer = std::make_unique<AdamW>(tensors);
  return lane;
}

std::unique_ptr<Lane> prepare_lane(int index, const LaneOrder& order,
                                   const BackboneWeights& backbone, const Tokenizer& tokenizer) {
  TokenCache nothing_kept({}, tokenizer, "");
  auto input = read_lane_input(order, backbone.config, nothing_kept, [] { return false; });
  return build_lane(index, order, backbone, *std::move(input));
}

}  // namespace graft
