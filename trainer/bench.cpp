// Steps of the real engine on made-up rows, timed.
#include "trainer/bench.h"

#include <torch/torch.h>

#include <chrono>
#include <fstream>
#include <iomanip>
#include <numeric>
#include <ostream>
#include <string>

#include "trainer/contract/seeded_random.h"
#include "trainer/fast/engine.h"
#include "trainer/fast/processor.h"
#include "trainer/training/optimizer.h"

namespace graft {
namespace {

using Clock = std::chrono::steady_clock;

// A lane that trains on random words for ever.
struct BenchLane {
  BenchLane(const BenchOptions& options, const BackboneWeights& backbone, std::int64_t length,
            std::uint64_t seed, int frozen) {
    LaneOrder order;
    order.adapter_name = "bench";
    order.size = options.size;
    order.seed = seed;
    for (int layer = 0; layer < frozen; ++layer) order.leave_out.push_back(layer);
    model = make_task_model(order, {"a", "b", "c", "d", "e", "f"}, backbone);
    initialize(model, order, backbone);
    std::vector<at::Tensor*> tensors;
    visit_tensors(model, [&](const std::string&, at::Tensor& t) { tensors.push_back(&t); });
    optimizer = std::make_unique<AdamW>(tensors);
    auto file = std::make_shared<TokenizedRows>();
    for (int r = 0; r < options.batch_size; ++r) {
      Encoding row;
      for (std::int64_t t = 0; t < length; ++t) {
        const std::uint64_t draw = random_bits(seed, file->ids.size() + row.ids.size());
        row.ids.push_back(static_cast<std::int32_t>(
            draw % static_cast<std::uint64_t>(backbone.config.vocabulary_size)));
        row.type_ids.push_back(0);
      }
      file->append(row);
      targets.push_back(r % 6);
    }
    std::vector<std::uint32_t> all(file->size());
    std::iota(all.begin(), all.end(), 0U);
    rows = TokenizedRows({file->ids, file->type_ids, file->offsets, file}, std::move(all));
    chosen.resize(rows.size());
    std::iota(chosen.begin(), chosen.end(), std::size_t{0});
  }

  TokenizedRows rows;
  std::vector<std::size_t> chosen;
  std::vector<std::int32_t> targets;
  TaskModel model;
  std::unique_ptr<AdamW> optimizer;
};

struct Speed {
  double tokens = 0, flops = 0;  // a second
};

Speed measure(const BenchOptions& options, const BackboneWeights& backbone, Engine& engine,
              std::int64_t length, int lane_count, int frozen) {
  std::vector<std::unique_ptr<BenchLane>> lanes;
  lanes.reserve(static_cast<std::size_t>(lane_count));
  for (int i = 0; i < lane_count; ++i)
    lanes.push_back(std::make_unique<BenchLane>(options, backbone, length,
                                                static_cast<std::uint64_t>(i + 1), frozen));
  const Kind& kind = kind_named(TaskKind::classification);
  std::uint64_t step_number = 0;
  const auto step = [&] {
    std::vector<LaneStep> shares;
    shares.reserve(lanes.size());
    for (const auto& lane : lanes)
      shares.push_back({&lane->model,
                        {&lane->rows, lane->chosen},
                        &kind,
                        kind.batch({}, lane->targets, 6),
                        DropoutStream(7, ++step_number,
                                      DropoutSite::first_from(static_cast<std::size_t>(frozen)))});
    engine.step(shares);
    for (const auto& lane : lanes) lane->optimizer->update(1e-4, 0.0, 1.0, engine.threads());
  };
  for (int i = 0; i < 2; ++i) step();  // kernels are built, memory is taken
  const auto start = Clock::now();
  double seconds = 0;
  int steps = 0;
  while (seconds < options.seconds || steps < 2) {
    step();
    ++steps;
    seconds = std::chrono::duration<double>(Clock::now() - start).count();
  }
  const double rows_a_second = steps * lane_count * options.batch_size / seconds;
  return {rows_a_second * static_cast<double>(length),
          rows_a_second * training_flops(backbone.config, lanes.front()->model, length, true)};
}

// MiB of this process: private pages, and pages that it may share with others.
void print_memory(std::ostream& out) {
  std::ifstream stream("/proc/self/smaps_rollup");
  double own = 0, shared = 0;
  for (std::string word; stream >> word;) {
    double* const sum = word.starts_with("Private_")  ? &own
                        : word.starts_with("Shared_") ? &shared
                                                      : nullptr;
    if (double kib = 0; sum && stream >> kib) *sum += kib / 1024;
  }
  out << "memory now: " << own << " MiB private, " << shared
      << " MiB shared with other processes\n";
}

}  // namespace

void run_bench(const BenchOptions& options, std::ostream& out) {
  at::set_num_threads(1);
  out << std::fixed << std::setprecision(0);
  out << processor_name() << ", " << options.threads << " threads\n";
  print_memory(out);
  const auto backbone = load_backbone(options.backbone);
  Engine engine(*backbone, {options.threads, options.precision, {}});
  const ProductSpeeds& speeds = engine.product_speeds();
  out << "matrix products: fp32 " << speeds.fp32 / 1e9 << " GFLOP/s, bf16 " << speeds.bf16 / 1e9
      << " GFLOP/s (0: not on this CPU)\n"
      << "training in "
      << (engine.precision() ? to_string(*engine.precision()) : "the readable pass")
      << ", Houlsby size " << options.size << ", batch " << options.batch_size
      << "; tokens/s (share of the products' peak).\nThe last column: adapters in the upper layers "
         "alone, what the layers below give is kept from earlier epochs.\n\n| tokens a row |";
  for (const int lanes : options.lanes)
    out << ' ' << lanes << (lanes == 1 ? " lane |" : " lanes |");
  const auto layers = static_cast<int>(backbone->config.layers);
  const int frozen = layers - layers / 2;
  out << " 1 lane, last " << layers - frozen << " of " << layers << " layers | ";
  out << "\n|---|";
  for (std::size_t i = 0; i <= options.lanes.size(); ++i) out << "---|";
  for (const std::int64_t length : options.lengths) {
    if (length > backbone->config.max_positions) continue;
    out << "\n| " << length << " |";
    const auto cell = [&](int lanes, int without) {
      const Speed speed = measure(options, *backbone, engine, length, lanes, without);
      out << ' ' << speed.tokens;
      if (engine.product_peak() > 0)
        out << " (" << 100 * speed.flops / engine.product_peak() << " %)";
      out << " |" << std::flush;
    };
    for (const int lanes : options.lanes) cell(lanes, 0);
    cell(1, frozen);
  }
  out << "\n\n";
  print_memory(out);
}

}  // namespace graft
