// The training recipe.
#include "trainer/recipe.h"

#include <torch/torch.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <fstream>
#include <limits>
#include <system_error>

#include "trainer/dataset.h"
#include "trainer/export_adapterhub.h"
#include "trainer/version.h"

namespace graft {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double progress_interval = 1.0;  // seconds; readers are promised two
constexpr double largest_gradient = 1.0;   // global norm of a lane

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string processor_name() {
  std::ifstream stream("/proc/cpuinfo");
  for (std::string line; std::getline(stream, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown";
}

// 4000 -> "4,000"
std::string grouped(std::int64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t i = text.size(); i > 3;) text.insert(i -= 3, ",");
  return text;
}

void report_ready(const Lane& lane, RunReport& report) {
  const std::int64_t truncated =
      lane.training.rows.truncated_rows + lane.validation.rows.truncated_rows;
  const auto training = static_cast<std::int64_t>(lane.training.rows.size());
  const auto validation = static_cast<std::int64_t>(lane.validation.rows.size());
  report.record(DataReady{lane.index, training, validation, truncated, lane.model.labels,
                          lane.total_steps, lane.optimizer->parameters()});
  if (truncated > 0)
    report.record(Notice{lane.index, "warn",
                         grouped(truncated) + " of " + grouped(training + validation) +
                             " texts were longer than " + std::to_string(lane.order.max_length) +
                             " tokens and were cut"});
}

// Where no step was made since the last record, because a lane is being evaluated, it is repeated.
void report_progress(Lane& lane, RunReport& report) {
  if (lane.recent.steps == 0) {
    report.record(lane.last_progress);
    return;
  }
  const double remaining = static_cast<double>(lane.total_steps - lane.step);
  const double step_seconds = lane.recent.seconds / static_cast<double>(lane.recent.steps);
  const int epochs_ended = static_cast<int>(lane.step / lane.steps_per_epoch);
  const double evaluation_each = epochs_ended > 0 ? lane.evaluation_seconds / epochs_ended : 0.0;
  Progress progress;
  progress.lane = lane.index;
  progress.step = lane.step;
  progress.total_steps = lane.total_steps;
  progress.epoch = std::min(lane.epoch(), lane.order.n_epochs);
  progress.train_loss = lane.recent.mean_loss();
  progress.train_accuracy = lane.recent.accuracy();
  progress.learning_rate = lane.learning_rate();
  progress.tokens_per_second = lane.recent.tokens_per_second();
  progress.eta_seconds =
      remaining * step_seconds + (lane.order.n_epochs - epochs_ended) * evaluation_each;
  progress.trained_tokens = lane.sums.tokens;
  report.record(progress);
  lane.last_progress = progress;
  lane.recent = {};
}

// Records progress of every lane that trains when it is due.
class Heartbeat {
 public:
  Heartbeat(const std::vector<std::unique_ptr<Lane>>& lanes, RunReport& report)
      : lanes_(lanes), report_(report) {}

  void beat() {
    if (seconds_since(last_) < progress_interval) return;
    last_ = Clock::now();
    for (const auto& lane : lanes_)
      if (!lane->ended && lane->sums.steps > 0) report_progress(*lane, report_);
  }

 private:
  const std::vector<std::unique_ptr<Lane>>& lanes_;
  RunReport& report_;
  Clock::time_point last_ = Clock::now();
};

LaneMetrics final_metrics(const Lane& lane) {
  const EpochEnded& best = lane.best->numbers;
  LaneMetrics metrics;
  metrics.best_epoch = best.epoch;
  metrics.train_loss = best.train_loss;
  metrics.valid_loss = best.valid_loss;
  metrics.valid_accuracy = best.valid_accuracy;
  metrics.valid_macro_f1 = best.valid_macro_f1;
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

void finish_lane(const Order& order, const BackboneWeights& backbone, Lane& lane,
                 RunReport& report) {
  lane.optimizer->restore(lane.best->tensors);
  Provenance provenance;
  provenance.order = lane.order;
  provenance.backbone_name = order.backbone_name;
  provenance.backbone_sha256 = backbone.sha256;
  provenance.program_version = program_version;
  provenance.labels = lane.model.labels;
  provenance.metrics = final_metrics(lane);
  provenance.created_at =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  const std::string directory = "lane-" + std::to_string(lane.index);
  std::filesystem::create_directories(report.directory() / directory);
  const std::string bundle = directory + "/result.zip";
  const std::string sha256 =
      write_bundle(report.directory() / bundle, lane.model, backbone.config, provenance);
  report.record(LaneFinished{lane.index, bundle, sha256, backbone.sha256, lane.model.labels,
                             provenance.metrics});
}

// Runs a piece of one lane's work; what goes wrong in it ends that lane only. Returns success.
bool lane_survives(int index, RunReport& report, const std::function<void()>& work) {
  try {
    work();
    return true;
  } catch (const DataError& error) {
    report.record(LaneFailed{index, error.code(), error.what(), error.param()});
  } catch (const LaneError& error) {
    report.record(LaneFailed{index, error.code(), error.what(), error.param()});
  } catch (const std::system_error& error) {
    if (error.code() != std::errc::no_space_on_device) throw;
    report.record(LaneFailed{index, "disk_full", error.what(), ""});
  }
  return false;
}

std::vector<std::unique_ptr<Lane>> prepare_lanes(const Order& order,
                                                 const BackboneWeights& backbone,
                                                 RunReport& report) {
  const Tokenizer tokenizer = Tokenizer::load(order.backbone_directory);
  std::vector<std::unique_ptr<Lane>> lanes;
  for (std::size_t i = 0; i < order.lanes.size(); ++i) {
    const int index = static_cast<int>(i);
    lane_survives(index, report, [&] {
      auto lane = prepare_lane(index, order.lanes[i], backbone, tokenizer);
      report_ready(*lane, report);
      lanes.push_back(std::move(lane));
    });
  }
  return lanes;
}

void check_finite(const Lane& lane, const StepSums& step) {
  if (std::isfinite(step.loss)) return;
  throw LaneError("diverged",
                  "training diverged at step " + std::to_string(lane.step + 1) +
                      ": the loss is no longer a number; a lower learning_rate than " +
                      std::to_string(lane.order.learning_rate) + " helps",
                  "learning_rate");
}

// After a lane's step: sums, records, end of an epoch, end of the lane.
void conclude_step(const Order& order, const BackboneWeights& backbone, Engine& engine, Lane& lane,
                   const StepSums& step, Heartbeat& heartbeat, RunReport& report) {
  const bool survives = lane_survives(lane.index, report, [&] {
    check_finite(lane, step);
    for (StepSums* sums : {&lane.recent, &lane.epoch_sums, &lane.sums}) sums->add(step);
    if (lane.step == 1 || lane.finished()) report_progress(lane, report);
    heartbeat.beat();
    if (lane.step % lane.steps_per_epoch == 0) {
      const auto start = Clock::now();
      const EpochEnded ended = end_epoch(engine, lane, [&] { heartbeat.beat(); });
      lane.evaluation_seconds += seconds_since(start);
      report.record(ended);
    }
    if (lane.finished()) finish_lane(order, backbone, lane, report);
  });
  lane.ended = !survives || lane.finished();
}

}  // namespace

std::vector<StepSums> train_step(Engine& engine, std::span<Lane* const> lanes) {
  const auto start = Clock::now();
  std::vector<LaneStep> shares;
  std::vector<std::vector<std::int64_t>> targets(lanes.size());  // (rows) of each lane
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    Lane& lane = *lanes[i];
    const std::span<const std::size_t> rows = next_rows(lane);
    for (const std::size_t row : rows) targets[i].push_back(lane.training.class_ids[row]);
    shares.push_back({&lane.model,
                      {&lane.training.rows, rows},
                      targets[i],
                      DropoutStream(lane.order.seed, static_cast<std::uint64_t>(lane.step))});
  }
  const std::vector<LaneStepResult> results = engine.step(shares);
  std::vector<StepSums> steps;
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    Lane& lane = *lanes[i];
    StepSums& step = steps.emplace_back();
    step.rows = results[i].rows;
    step.tokens = results[i].tokens;
    step.correct = results[i].correct;
    step.steps = 1;
    step.loss = results[i].loss * static_cast<double>(step.rows);
    const double rate = std::isfinite(step.loss) ? lane.learning_rate() : 0.0;
    const double norm = std::isfinite(step.loss)
                            ? lane.optimizer->update(rate, lane.order.weight_decay,
                                                     largest_gradient, engine.threads())
                            : step.loss;
    if (std::isfinite(norm))
      ++lane.step;
    else
      step.loss = std::numeric_limits<double>::quiet_NaN();
  }
  const double seconds = seconds_since(start);
  for (StepSums& step : steps) step.seconds = seconds;
  return steps;
}

EpochEnded end_epoch(Engine& engine, Lane& lane, const std::function<void()>& after_batch) {
  const Evaluation evaluation = evaluate(engine, lane.model, lane.validation, after_batch);
  EpochEnded ended;
  ended.lane = lane.index;
  ended.epoch = static_cast<int>(lane.step / lane.steps_per_epoch);
  ended.step = lane.step;
  ended.train_loss = lane.epoch_sums.mean_loss();
  ended.train_accuracy = lane.epoch_sums.accuracy();
  ended.valid_loss = evaluation.loss;
  ended.valid_accuracy = evaluation.accuracy;
  ended.valid_macro_f1 = evaluation.macro_f1;
  const bool validated = lane.validation.rows.size() > 0;  // without rows the last epoch counts
  const bool better = !lane.best || !validated ||
                      ended.valid_accuracy > lane.best->numbers.valid_accuracy ||
                      (ended.valid_accuracy == lane.best->numbers.valid_accuracy &&
                       ended.valid_loss < lane.best->numbers.valid_loss);
  ended.best = better;
  if (better) lane.best = BestEpoch{ended, lane.optimizer->snapshot()};
  lane.epoch_sums = {};
  return ended;
}

void run_training(const Order& order, RunReport& report, const std::function<bool()>& stop) {
  if (order.device == "cuda")
    throw std::runtime_error("device \"cuda\" was asked for, but this build trains on CPUs only");
  at::set_num_threads(1);  // the engine has threads of its own
  const auto backbone = load_backbone(order.backbone_directory, order.backbone_sha256);
  report.record(RunStarted{::getpid(), program_version, backbone->sha256, "cpu", processor_name(),
                           order.threads});
  std::vector<std::unique_ptr<Lane>> lanes = prepare_lanes(order, *backbone, report);

  Engine engine(*backbone, {order.threads, order.precision, {}});
  Heartbeat heartbeat(lanes, report);
  while (!lanes.empty()) {
    if (stop()) {
      report.record(RunFinished{true});
      return;
    }
    std::vector<Lane*> training;
    for (const auto& lane : lanes) training.push_back(lane.get());
    const std::vector<StepSums> steps = train_step(engine, training);
    for (std::size_t i = 0; i < lanes.size(); ++i)
      conclude_step(order, *backbone, engine, *lanes[i], steps[i], heartbeat, report);
    std::erase_if(lanes, [](const auto& lane) { return lane->ended; });
  }
  report.record(RunFinished{false});
}

}  // namespace graft
