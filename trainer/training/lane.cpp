// Lanes: setup, order of rows, evaluation.
#include "trainer/training/lane.h"

#include <torch/torch.h>

#include <algorithm>
#include <numeric>

#include "trainer/contract/seeded_random.h"
#include "trainer/model/token_bounds.h"
#include "trainer/tasks/metrics.h"
#include "trainer/text/data_findings.h"
#include "trainer/text/dataset.h"
#include "trainer/training/learning_rate.h"

namespace graft {
namespace {

constexpr std::int64_t evaluation_tokens = 4096;  // of a batch
constexpr std::int64_t part_tokens = 512;         // of what a thread takes at a time
constexpr std::int64_t most_state_bytes = std::int64_t{256} << 20;  // kept for later evaluations

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

// What threads take of a batch, in its order.
std::vector<std::span<const std::size_t>> parts_of(std::span<const std::size_t> batch,
                                                   const TokenizedRows& rows) {
  std::vector<std::span<const std::size_t>> parts;
  std::size_t begin = 0;
  std::int64_t tokens = 0;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    tokens += rows.length(batch[i]);
    if (tokens < part_tokens && i + 1 < batch.size()) continue;
    parts.push_back(batch.subspan(begin, i + 1 - begin));
    begin = i + 1;
    tokens = 0;
  }
  return parts;
}

// Places for the states behind the frozen layers, where there are such layers and all fit.
void make_room(EvaluationStates& states, const BackboneConfig& config, const TaskModel& model,
               const TokenizedRows& rows) {
  const std::size_t frozen = frozen_layers(model.adapter);
  if (frozen == 0 || !states.rows.empty()) return;
  const bool all_frozen = frozen == model.adapter.layers.size();
  std::int64_t kept = 0;  // tokens
  for (std::size_t row = 0; row < rows.size(); ++row)
    kept += all_frozen ? tokens_read(model.head.readout, rows.length(row)) : rows.length(row);
  if (kept * config.hidden_size * 4 <= most_state_bytes) states.rows.resize(rows.size());
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
  check_tokens(*training, order.training_file, FileRole::training, config);
  std::shared_ptr<const TokenizedFile> validation;
  if (order.validation_file) {
    validation = tokens.get(*order.validation_file, FileRole::validation, order.max_length, stop);
    if (!validation) return std::nullopt;
    check_tokens(*validation, *order.validation_file, FileRole::validation, config);
  }
  TaskPlan plan = plan_task(
      training->labels, order.training_file.name, validation ? &validation->labels : nullptr,
      validation ? order.validation_file->name : "", order.validation_fraction, order.seed);
  LaneInput input;
  input.shape = training->labels.pairs ? InputShape::pair : InputShape::text;
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
  lane->shape = input.shape;
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

Metrics evaluate(const BackboneWeights& backbone, ThreadPool& threads, const TaskModel& model,
                 const LaneData& data, EvaluationStates& states,
                 const std::function<void()>& after_batch) {
  if (data.rows.size() == 0) return {};
  make_room(states, backbone.config, model, data.rows);
  const at::NoGradGuard no_gradients;
  std::vector<std::int64_t> predicted(data.rows.size());
  std::vector<double> losses(data.rows.size());
  for (const auto& batch : evaluation_batches(data.rows)) {
    const std::vector<std::span<const std::size_t>> parts = parts_of(batch, data.rows);
    threads.run(parts.size(), [&](std::size_t part, std::size_t) {
      at::set_num_threads(1);  // of this thread
      std::vector<at::Tensor*> kept;
      for (const std::size_t row : parts[part])
        if (!states.rows.empty()) kept.push_back(&states.rows[row]);
      const auto logits = logits_of_rows(backbone, model, {&data.rows, parts[part]}, kept);
      for (std::size_t i = 0; i < logits.size(); ++i) {
        const std::size_t row = parts[part][i];
        const at::Tensor target = at::full({1}, data.class_ids[row], at::kLong);
        losses[row] = head_loss(model.head, logits[i].unsqueeze(0), target).item<double>();
        predicted[row] = best_class(class_scores(model.head, logits[i]));
      }
    });
    after_batch();
  }
  const double loss = std::accumulate(losses.begin(), losses.end(), 0.0);
  return {{"valid_loss", loss / static_cast<double>(data.rows.size())},
          {"valid_accuracy", accuracy(predicted, data.class_ids)},
          {"valid_macro_f1", macro_f1(predicted, data.class_ids)}};
}

}  // namespace graft
