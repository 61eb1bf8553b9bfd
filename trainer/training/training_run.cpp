// What a run needs, made from its order; how it trains: recipe.cpp.
#include "trainer/training/training_run.h"

#include <torch/torch.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>

#include "trainer/contract/version.h"
#include "trainer/durable/sha256.h"
#include "trainer/fast/processor.h"
#include "trainer/training/checkpoint.h"
#include "trainer/training/recipe.h"

namespace graft {
namespace {

// With the precision that the checkpoint was trained in, where the order leaves it open: measured
// again, it might come out otherwise.
std::unique_ptr<Engine> make_engine(const Order& order, const BackboneWeights& backbone,
                                    int threads_at_first,
                                    const std::optional<TrainingState>& checkpoint) {
  EngineOptions options{order.threads, order.precision, order.cache_directory};
  options.threads_at_first = threads_at_first;
  if (checkpoint && checkpoint->header.precision && order.precision == Precision::automatic) {
    options.precision = *checkpoint->header.precision;
    try {
      return std::make_unique<Engine>(backbone, options);
    } catch (const PrecisionError&) {  // it was another machine
      options.precision = order.precision;
    }
  }
  auto engine = std::make_unique<Engine>(backbone, options);
  if (order.precision == Precision::bf16 && engine->precision() != Precision::bf16)
    throw PrecisionError(
        "this backbone cannot be trained in precision bf16: its widths are no multiples of what "
        "the products need; auto or fp32 does");
  return engine;
}

}  // namespace

void run_training(const Order& order, RunReport& report, const std::function<bool()>& stop,
                  const RunOptions& options) {
  if (order.device == "cuda")
    throw std::runtime_error("device \"cuda\" was asked for, but this build trains on CPUs only");
  at::set_num_threads(1);  // the engine has threads of its own
  const auto backbone = load_backbone(order.backbone_directory, order.backbone_sha256);
  const std::string order_sha256 = sha256_of_bytes(order_identity(order, backbone->sha256));
  std::string problem;
  std::optional<TrainingState> checkpoint =
      load_checkpoint(report.directory(), order, backbone->sha256, problem);
  ThreadLimit threads(report.directory(), order.threads);
  const auto engine = make_engine(order, *backbone, threads.threads(), checkpoint);
  report.record(RunStarted{::getpid(), program_version, backbone->sha256, "cpu", processor_name(),
                           threads.threads(), order_sha256,
                           std::string(to_string(engine->precision().value_or(Precision::fp32)))});
  LaneIntake intake(order, order_sha256, *backbone, report, std::move(checkpoint));
  if (!problem.empty()) intake.regret(problem);
  const bool all_ended = train_lanes({order, order_sha256, *backbone, *engine, threads, intake,
                                      report, options.checkpoint_seconds},
                                     stop);
  report.record(RunFinished{!all_ended});
}

}  // namespace graft
