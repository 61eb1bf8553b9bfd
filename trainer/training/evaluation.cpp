// Batches, the threads' parts of them, and what is measured.
#include "trainer/training/evaluation.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

namespace graft {
namespace {

constexpr std::int64_t evaluation_tokens = 4096;  // of a batch
constexpr std::int64_t part_tokens = 512;         // of what a thread takes at a time
constexpr std::int64_t most_state_bytes = std::int64_t{256} << 20;  // kept for later evaluations

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

std::optional<Measured> evaluate(const BackboneWeights& backbone, ThreadPool& threads,
                                 const LaneTask& task, const TaskModel& trained,
                                 std::span<const std::int32_t> training, const LaneData& data,
                                 EvaluationStates& states,
                                 const std::function<void()>& after_batch) {
  if (data.rows.size() == 0) return std::nullopt;
  make_room(states, backbone.config, trained, data.rows);
  const at::NoGradGuard no_gradients;
  TaskModel model = trained;
  model.head = task.kind->answering_head(trained.head, task.targets);
  const std::size_t kept_scores = task.kind->kept_scores(model.labels.size());
  std::vector<float> scores(data.rows.size() * kept_scores);
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
        losses[row] = task.kind->row_loss(logits[i], task.targets, data.targets[row]);
        const auto own = task.kind->kept_scores(task.kind->scores(logits[i]));
        std::copy(own.begin(), own.end(), scores.begin() + static_cast<long>(row * kept_scores));
      }
    });
    after_batch();
  }
  const auto finite = [](auto number) { return std::isfinite(number); };
  if (!std::ranges::all_of(losses, finite) || !std::ranges::all_of(scores, finite))
    return Measured{.finite = false};
  Measured measured =
      task.kind->measure({task.targets, training, data.targets, model.labels, scores});
  const double loss = std::accumulate(losses.begin(), losses.end(), 0.0);
  measured.metrics.set("valid_loss", loss / static_cast<double>(data.rows.size()));
  return measured;
}

}  // namespace graft
