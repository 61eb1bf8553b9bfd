// One step: pack, forward, heads, backward, gradients. Each but the heads is shared by all threads.
#include "trainer/fast/engine.h"

#include <torch/torch.h>

#include <algorithm>
#include <map>

#include "trainer/fast/chunk_pass.h"

namespace graft {
namespace {

constexpr std::size_t alignment = 64;

// A block of memory that grows and is kept: what a step needs is asked for once.
class Workspace {
 public:
  std::byte* reserve(std::size_t bytes) {
    if (bytes > size_) {
      memory_.reset();
      memory_.reset(static_cast<std::byte*>(::operator new (bytes, std::align_val_t{alignment})));
      size_ = bytes;
    }
    return memory_.get();
  }

 private:
  struct Free {
    void operator()(std::byte* memory) const {
      ::operator delete (memory, std::align_val_t{alignment});
    }
  };
  std::unique_ptr<std::byte, Free> memory_;
  std::size_t size_ = 0;
};

}  // namespace

// What the engine asks of the fast pass; one for each way to keep activations.
class Engine::Passes {
 public:
  virtual ~Passes() = default;
  virtual std::vector<LaneStepResult> step(std::span<const LaneStep> lanes) = 0;
  virtual at::Tensor logits(const TaskModel& model, const LaneRows& rows) = 0;
};

template <class T>
class Engine::TypedPasses : public Passes {
 public:
  TypedPasses(const BackboneWeights& backbone, const EngineOptions& options, ThreadPool& threads)
      : backbone_(backbone),
        packed_(pack_backbone<T>(backbone, options.cache_directory)),
        threads_(threads),
        frozen_(options.cache_directory, options.frozen) {
    for (std::size_t i = 0; i < threads.threads(); ++i)
      passes_.push_back(std::make_unique<ChunkPass<T>>(backbone, packed_));
    evaluation_memory_.resize(threads.threads());
  }

  std::vector<LaneStepResult> step(std::span<const LaneStep> lanes) override {
    std::vector<const TaskModel*> models;
    for (const LaneStep& lane : lanes) models.push_back(lane.model);
    repack(models);
    std::vector<LaneStepResult> results(lanes.size());
    std::vector<std::vector<Segment>> segments;
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      segments.push_back(cut_into_segments(lanes[i].rows));
      results[i].rows = static_cast<std::int64_t>(lanes[i].rows.chosen.size());
    }
    // A tile is what is in memory at a time: segments of one or more lanes.
    std::vector<TileSegment> tile;
    std::int64_t tokens = 0;
    const auto flush = [&] {
      if (!tile.empty()) train(lanes, tile, results);
      tile.clear();
      tokens = 0;
    };
    for (std::size_t i = 0; i < lanes.size(); ++i)
      for (const Segment& segment : segments[i]) {
        if (tokens + segment.tokens > segment_tokens) flush();
        tile.push_back({i, &segment});
        tokens += segment.tokens;
      }
    flush();
    return results;
  }

  at::Tensor logits(const TaskModel& model, const LaneRows& rows) override {
    const at::NoGradGuard no_gradients;
    const TaskModel* const models[] = {&model};
    repack(models);
    const PassLane<T> lane = pass_lane(model, rows, {});
    const std::int64_t hidden = backbone_.config.hidden_size;
    const auto count = static_cast<std::int64_t>(rows.chosen.size());
    at::Tensor states = at::empty({count, hidden}, at::kFloat);
    at::Tensor places = at::empty({count}, at::kLong);
    std::vector<Segment> segments = cut_into_segments(rows);
    std::vector<std::pair<const Chunk*, std::int64_t>> tasks;  // and its first row among states
    std::int64_t first = 0;
    for (const Segment& segment : segments) {
      std::copy(segment.batch_rows.begin(), segment.batch_rows.end(),
                places.mutable_data_ptr<std::int64_t>() + first);
      for (const Chunk& chunk : segment.chunks) tasks.emplace_back(&chunk, first + chunk.first_row);
      first += static_cast<std::int64_t>(segment.batch_rows.size());
    }
    float* const out = states.mutable_data_ptr<float>();
    threads_.run(tasks.size(), [&](std::size_t task, std::size_t thread) {
      const auto [chunk, row] = tasks[task];
      std::byte* const memory = evaluation_memory_[thread].reserve(
          tape_bytes<T>(backbone_.config, &model.adapter, *chunk, false));
      Tape<T> tape = lay_out_tape<T>(backbone_.config, &model.adapter, *chunk, false, memory);
      passes_[thread]->forward(*chunk, lane, tape, out + row * hidden);
      release();
    });
    const at::Tensor in_order = at::empty_like(states).index_copy_(0, places, states);
    std::vector<std::int64_t> batch_rows(static_cast<std::size_t>(count));
    return head_logits(model.head, in_order, 0.0, DropoutStream(), batch_rows);
  }

 private:
  struct TileSegment {
    std::size_t lane;
    const Segment* segment;
  };
  struct Task {
    const Chunk* chunk;
    std::size_t lane;
    Tape<T> tape;
    float* states;           // (rows, hidden)
    const float* gradients;  // (rows, hidden)
    bool frozen_kept;
  };

  static void release() {
    if (sizeof(T) == 2) release_matrix_unit();
  }

  PassLane<T> pass_lane(const TaskModel& model, const LaneRows& rows,
                        const DropoutStream& dropout) {
    PassLane<T> lane{&model.adapter, packed_adapters_.at(&model.adapter).get(), dropout,
                     frozen_layers(model.adapter), nullptr};
    if (lane.frozen_layers > 0 && rows.rows->file())
      lane.kept = &frozen_.rows_of(rows.rows->file(), rows.rows->file_rows(), lane.frozen_layers);
    return lane;
  }

  // Takes over the adapters' present values; forgets those of lanes that are gone.
  void repack(std::span<const TaskModel* const> models) {
    std::map<const Adapter*, std::unique_ptr<PackedAdapter<T>>> kept;
    std::vector<std::pair<const Adapter*, std::size_t>> parts;
    for (const TaskModel* model : models) {
      const Adapter* const adapter = &model->adapter;
      if (kept.contains(adapter)) continue;
      const auto found = packed_adapters_.find(adapter);
      // A lane that ended may have left its address to one of another shape.
      if (found == packed_adapters_.end() || !found->second->fits(*adapter)) {
        kept.emplace(adapter, std::make_unique<PackedAdapter<T>>(*adapter));
        continue;
      }
      kept.emplace(adapter, std::move(found->second));
      for (std::size_t part = 0; part < kept.at(adapter)->parts(); ++part)
        parts.emplace_back(adapter, part);
    }
    threads_.run(parts.size(), [&](std::size_t task, std::size_t) {
      const auto [adapter, part] = parts[task];
      kept.at(adapter)->repack(*adapter, part);
    });
    packed_adapters_ = std::move(kept);
  }

  void train(std::span<const LaneStep> lanes, std::span<const TileSegment> tile,
             std::vector<LaneStepResult>& results) {
    const std::int64_t hidden = backbone_.config.hidden_size;
    std::vector<PassLane<T>> pass_lanes;
    for (const LaneStep& lane : lanes)
      pass_lanes.push_back(pass_lane(*lane.model, lane.rows, lane.dropout));
    std::vector<at::Tensor> states;  // a segment each
    std::vector<Task> tasks;
    lay_out(lanes, tile, states, tasks);

    threads_.run(tasks.size(), [&](std::size_t i, std::size_t thread) {
      Task& task = tasks[i];
      task.frozen_kept =
          passes_[thread]->forward(*task.chunk, pass_lanes[task.lane], task.tape, task.states);
      release();
    });
    for (const Task& task : tasks)
      for (const ChunkRow& row : task.chunk->rows)
        results[task.lane].flops +=
            training_flops(backbone_.config, *lanes[task.lane].model, row.length, task.frozen_kept);
    std::vector<at::Tensor> gradients;
    for (std::size_t i = 0; i < tile.size(); ++i)
      gradients.push_back(
          run_head(lanes[tile[i].lane], *tile[i].segment, states[i], results[tile[i].lane]));
    std::size_t next = 0;
    for (std::size_t i = 0; i < tile.size(); ++i)
      for (const Chunk& chunk : tile[i].segment->chunks)
        tasks[next++].gradients = gradients[i].const_data_ptr<float>() + chunk.first_row * hidden;

    std::vector<std::optional<Floor>> floors;
    for (const LaneStep& lane : lanes) floors.push_back(lowest_trainable(lane.model->adapter));
    threads_.run(tasks.size(), [&](std::size_t i, std::size_t thread) {
      Task& task = tasks[i];
      if (!floors[task.lane]) return;
      passes_[thread]->backward(*task.chunk, pass_lanes[task.lane], *floors[task.lane], task.tape,
                                task.gradients);
      release();
    });
    add_gradients(lanes, tasks);
  }

  void lay_out(std::span<const LaneStep> lanes, std::span<const TileSegment> tile,
               std::vector<at::Tensor>& states, std::vector<Task>& tasks) {
    const std::int64_t hidden = backbone_.config.hidden_size;
    std::vector<std::size_t> places;
    std::size_t bytes = 0;
    for (const TileSegment& part : tile) {
      states.push_back(at::empty(
          {static_cast<std::int64_t>(part.segment->batch_rows.size()), hidden}, at::kFloat));
      float* const out = states.back().mutable_data_ptr<float>();
      for (const Chunk& chunk : part.segment->chunks) {
        places.push_back(bytes);
        bytes += tape_bytes<T>(backbone_.config, &lanes[part.lane].model->adapter, chunk, true);
        tasks.push_back({&chunk, part.lane, {}, out + chunk.first_row * hidden, nullptr, false});
      }
    }
    std::byte* const memory = training_memory_.reserve(bytes);
    for (std::size_t i = 0; i < tasks.size(); ++i)
      tasks[i].tape = lay_out_tape<T>(backbone_.config, &lanes[tasks[i].lane].model->adapter,
                                      *tasks[i].chunk, true, memory + places[i]);
  }

  // Head, loss and their gradients by autograd -> the states' gradient (rows, hidden).
  at::Tensor run_head(const LaneStep& lane, const Segment& segment, const at::Tensor& states,
                      LaneStepResult& result) {
    states.requires_grad_(true);
    const Head& head = lane.model->head;
    const at::Tensor logits =
        head_logits(head, states, backbone_.config.head_dropout, lane.dropout, segment.batch_rows);
    const at::Tensor targets =
        lane.targets.index_select(0, at::tensor(segment.batch_rows, at::kLong));
    const double share =
        static_cast<double>(segment.batch_rows.size()) / static_cast<double>(result.rows);
    const at::Tensor loss = lane.kind->loss(logits, targets) * share;
    loss.backward();
    result.loss += loss.item<double>();
    if (const auto right = lane.kind->right(logits.detach(), targets))
      result.correct = result.correct.value_or(0) + *right;
    result.tokens += segment.tokens;
    return states.grad().contiguous();
  }

  void add_gradients(std::span<const LaneStep> lanes, std::span<const Task> tasks) {
    std::vector<std::vector<typename ChunkPass<T>::TapedChunk>> chunks(lanes.size());
    for (const Task& task : tasks) chunks[task.lane].push_back({task.chunk, &task.tape});
    struct Part {
      std::size_t lane, layer;
      bool attention;
    };
    std::vector<Part> parts;
    for (std::size_t lane = 0; lane < lanes.size(); ++lane) {
      const std::vector<AdapterLayer>& layers = lanes[lane].model->adapter.layers;
      for (std::size_t layer = 0; layer < layers.size() && !chunks[lane].empty(); ++layer)
        for (const bool attention : {true, false}) {
          const AdaptedSubBlock& part =
              attention ? layers[layer].attention : layers[layer].feed_forward;
          if (part.trains()) parts.push_back({lane, layer, attention});
        }
    }
    threads_.run(parts.size(), [&](std::size_t i, std::size_t thread) {
      const Part& part = parts[i];
      passes_[thread]->add_gradients(part.layer, part.attention, lanes[part.lane].model->adapter,
                                     chunks[part.lane]);
      release();
    });
  }

  const BackboneWeights& backbone_;
  PackedBackbone<T> packed_;
  ThreadPool& threads_;
  std::vector<std::unique_ptr<ChunkPass<T>>> passes_;  // one each thread
  std::map<const Adapter*, std::unique_ptr<PackedAdapter<T>>> packed_adapters_;
  FrozenActivations frozen_;
  Workspace training_memory_;
  std::vector<Workspace> evaluation_memory_;  // one each thread
};

Engine::Engine(const BackboneWeights& backbone, const EngineOptions& options)
    : backbone_(backbone),
      threads_(options.threads, options.threads_at_first),
      speeds_(measure_products(threads_)) {
  if (!options.fast || !can_pack(backbone.config)) return;
  precision_ = choose_precision(options.precision, speeds_);
  if (precision_ == Precision::bf16)
    passes_ = std::make_unique<TypedPasses<BFloat16Bits>>(backbone, options, threads_);
  else if (precision_ == Precision::fp32)
    passes_ = std::make_unique<TypedPasses<float>>(backbone, options, threads_);
}

Engine::~Engine() = default;

double Engine::product_peak() const {
  if (!precision_) return 0;
  return *precision_ == Precision::bf16 ? speeds_.bf16 : speeds_.fp32;
}

bool Engine::takes_fast_pass(const TaskModel& model) const {
  return passes_ && chunk_pass_computes(model.head.readout);
}

std::vector<LaneStepResult> Engine::step(std::span<const LaneStep> lanes) {
  std::vector<LaneStep> fast, readable;
  for (const LaneStep& lane : lanes)
    (takes_fast_pass(*lane.model) ? fast : readable).push_back(lane);
  std::vector<LaneStepResult> of_fast, of_readable;
  if (!fast.empty()) of_fast = passes_->step(fast);
  if (!readable.empty()) of_readable = readable_step(readable);
  std::vector<LaneStepResult> results;
  std::size_t next_fast = 0, next_readable = 0;
  for (const LaneStep& lane : lanes)
    results.push_back(takes_fast_pass(*lane.model) ? of_fast[next_fast++]
                                                   : of_readable[next_readable++]);
  return results;
}

at::Tensor Engine::logits(const TaskModel& model, const LaneRows& rows) {
  if (takes_fast_pass(model)) return passes_->logits(model, rows);
  const at::NoGradGuard no_gradients;
  const ForwardLane lane{&model, {}};
  return forward(backbone_, {&lane, 1}, pack({&rows, 1})).front();
}

std::vector<LaneStepResult> Engine::readable_step(std::span<const LaneStep> lanes) {
  std::vector<LaneRows> rows;
  std::vector<ForwardLane> forward_lanes;
  for (const LaneStep& lane : lanes) {
    rows.push_back(lane.rows);
    forward_lanes.push_back({lane.model, lane.dropout});
  }
  const PackedBatch batch = pack(rows);
  const std::vector<at::Tensor> logits = forward(backbone_, forward_lanes, batch);
  std::vector<at::Tensor> losses;
  std::vector<LaneStepResult> results;
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    const Kind& kind = *lanes[i].kind;
    losses.push_back(kind.loss(logits[i], lanes[i].targets));
    results.push_back({losses.back().item<double>(),
                       kind.right(logits[i].detach(), lanes[i].targets), batch.lane_rows[i],
                       batch.lane_tokens[i]});
    for (const std::size_t row : lanes[i].rows.chosen)
      results.back().flops +=
          training_flops(backbone_.config, *lanes[i].model, lanes[i].rows.rows->length(row));
  }
  at::stack(losses).sum().backward();
  return results;
}

double training_flops(const BackboneConfig& config, const TaskModel& model, std::int64_t length,
                      bool frozen_kept) {
  const Adapter& adapter = model.adapter;
  const auto h = static_cast<double>(config.hidden_size);
  const auto inner = static_cast<double>(config.intermediate_size);
  const auto n = static_cast<double>(length);
  const std::optional<Floor> floor = lowest_trainable(adapter);
  double flops = 0;
  for (std::size_t i = frozen_kept ? frozen_layers(adapter) : 0; i < adapter.layers.size(); ++i) {
    const bool last = i + 1 == adapter.layers.size();
    // Tokens that leave the attention.
    const double after = last ? static_cast<double>(tokens_read(model.head.readout, length)) : n;
    const double attention_products = 2 * h * h * (after + 2 * n);
    const double attention_scores = 4 * h * n * after;
    const double attention_output = 2 * h * h * after;
    const double feed_forward = 4 * h * inner * after;
    flops += attention_products + attention_scores + attention_output + feed_forward;
    if (floor && i >= floor->layer) {
      const bool lowest = i == floor->layer;
      if (!lowest || floor->attention) flops += feed_forward;
      if (!lowest) flops += attention_output + 2 * attention_scores + attention_products;
    }
    for (const AdaptedSubBlock* part :
         {&adapter.layers[i].attention, &adapter.layers[i].feed_forward})
      if (part->bottleneck)
        flops += 3 * 4 * h * static_cast<double>(part->bottleneck->down.weight.size(0)) * after;
  }
  return flops + 3 * 2 * h * h;
}

}  // namespace graft
