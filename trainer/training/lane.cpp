// Lanes: setup, order of rows, evaluation.
#include "trainer/training/lane.h"

#include <torch/torch.h>

#include <algorithm>
#include <numeric>

#include "trainer/contract/seeded_random.h"
#include "trainer/tasks/metrics.h"
#include "trainer/text/data_findings.h"
#include "trainer/text/dataset.h"
#include "trainer/training/learning_rate.h"

namespace graft {
namespace {

constexpr std::int64_t evaluation_tokens = 4096;  // of a batch

LaneData choose(const TokenizedFile& file, ChosenRows chosen) {
  LaneData data;
  data.class_ids.assign(chosen.class_ids.begin(), chosen.class_ids.end());
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

void check_ids(const TokenizedFile& file, const BackboneConfig& config) {
  if (file.largest_id >= config.vocabulary_size)
    throw BackboneError("invalid_backbone", "the tokenizer makes id " +
                                                std::to_string(file.largest_id) +
                                                ", but config.json has vocab_size " +
                                                std::to_string(config.vocabulary_size));
}

// A batch at a time, long rows first: (index into the rows) of each batch.
std::vector<std::vector<std::size_t>> evaluation_batches(const TokenizedRows& rows) {
  std::vector<std::size_t> order(rows.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return rows.length(a) > rows.length(b); });
  std::vector<std::vector<std::size_t>> batches;
  std::int64_t tokens = evaluation_tokens;
  for (const std::size_t row : order) {
    if (tokens + rows.length(row) > evaluation_tokens) {
      batches.emplace_back();
      tokens = 0;
    }
    batches.back().push_back(row);
    tokens += rows.length(row);
  }
  return batches;
}

}  // namespace

void StepSums::add(const StepSums& other) {
  flops += other.flops;
  loss += other.loss;
  correct += other.correct;
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
  const auto training = tokens.get(order.training_file, FileRole::training, order.max_length, stop);
  if (!training) return std::nullopt;
  check_ids(*training, config);
  std::shared_ptr<const TokenizedFile> validation;
  if (order.validation_file) {
    validation = tokens.get(*order.validation_file, FileRole::validation, order.max_length, stop);
    if (!validation) return std::nullopt;
    check_ids(*validation, config);
  }
  TaskPlan plan = plan_task(
      training->labels, order.training_file.name, validation ? &validation->labels : nullptr,
      validation ? order.validation_file->name : "", order.validation_fraction, order.seed);
  LaneInput input;
  input.notes = find_in_data(*training, order.training_file.name, validation.get(),
                             validation ? order.validation_file->name : "", plan);
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
      flops += training_flops(backbone.config, lane->model.adapter, data.length(row), frozen_kept);
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

std::span<const std::size_t> next_rows(Lane& lane) {
  const auto position = static_cast<std::size_t>(lane.step % lane.steps_per_epoch);
  const auto epoch = static_cast<std::uint64_t>(lane.step / lane.steps_per_epoch);
  if (position == 0 || lane.epoch_order.empty())
    lane.epoch_order = permutation(lane.training.rows.size(), lane.order.seed, epoch);
  const auto batch_size = static_cast<std::size_t>(lane.order.batch_size);
  const std::size_t begin = position * batch_size;
  return std::span(lane.epoch_order)
      .subspan(begin, std::min(batch_size, lane.epoch_order.size() - begin));
}

Evaluation evaluate(Engine& engine, const TaskModel& model, const LaneData& data,
                    const std::function<void()>& after_batch) {
  const at::NoGradGuard no_gradients;
  std::vector<std::int64_t> predicted(data.rows.size());
  double loss = 0;
  for (const auto& batch : evaluation_batches(data.rows)) {
    std::vector<std::int64_t> targets;
    targets.reserve(batch.size());
    for (const std::size_t row : batch) targets.push_back(data.class_ids[row]);
    const at::Tensor logits = engine.logits(model, {&data.rows, batch});
    loss += head_loss(model.head, logits, at::tensor(targets, at::kLong)).item<double>() *
            static_cast<double>(batch.size());
    const at::Tensor classes = logits.argmax(1);  // (rows)
    for (std::size_t i = 0; i < batch.size(); ++i)
      predicted[batch[i]] = classes.const_data_ptr<std::int64_t>()[i];
    after_batch();
  }
  return {loss / static_cast<double>(data.rows.size()), accuracy(predicted, data.class_ids),
          macro_f1(predicted, data.class_ids)};
}

at::Tensor row_logits(const BackboneWeights& backbone, const TaskModel& model,
                      const TokenizedRows& rows, std::size_t row) {
  const at::NoGradGuard no_gradients;
  const LaneRows lane_rows{&rows, {&row, 1}};
  const ForwardLane lane{&model, {}};
  return forward(backbone, {&lane, 1}, pack({&lane_rows, 1})).front()[0];
}

}  // namespace graft
