// A run's lanes from their data to their results.
#include "trainer/training/training_run.h"

#include <torch/torch.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <optional>
#include <system_error>
#include <utility>

#include "trainer/bundle/export_adapterhub.h"
#include "trainer/contract/version.h"
#include "trainer/durable/sha256.h"
#include "trainer/fast/processor.h"
#include "trainer/text/dataset.h"
#include "trainer/training/checkpoint_writer.h"
#include "trainer/training/lane_feed.h"
#include "trainer/training/progress.h"
#include "trainer/training/recipe.h"
#include "trainer/training/run_history.h"
#include "trainer/training/thread_limit.h"

namespace graft {
namespace {

using Clock = std::chrono::steady_clock;

// With the next lane's data.
constexpr std::chrono::milliseconds no_patience{0}, patience{100};
constexpr double company_patience = 2.0;  // seconds that a lane waits for others to begin with

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
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
}

LaneMetrics final_metrics(const Lane& lane) {
  const EpochEnded& best = lane.best->numbers;
  LaneMetrics metrics;
  metrics.best_epoch = best.epoch;
  metrics.numbers = best.metrics;
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
  provenance.input = lane.shape;
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

void check_finite(const Lane& lane, const StepSums& step) {
  if (std::isfinite(step.loss)) return;
  throw LaneError("diverged",
                  "training diverged at step " + std::to_string(lane.step + 1) +
                      ": the loss is no longer a number; a lower learning_rate than " +
                      std::to_string(lane.order.learning_rate) + " helps",
                  "learning_rate");
}

// After a lane's step: sums, records, end of an epoch, end of the lane. in_evaluation: called
// between batches.
void conclude_step(const Order& order, const BackboneWeights& backbone, Engine& engine, Lane& lane,
                   const StepSums& step, ProgressReporter& progress, RunReport& report,
                   const std::function<void()>& in_evaluation) {
  const bool survives = lane_survives(lane.index, report, [&] {
    check_finite(lane, step);
    for (StepSums* sums : {&lane.recent, &lane.epoch_sums, &lane.sums}) sums->add(step);
    if (lane.step == 1 || lane.finished()) progress.record(lane);
    progress.beat();
    if (lane.step % lane.steps_per_epoch == 0) {
      const auto start = Clock::now();
      const EpochEnded ended = end_epoch(engine, lane, in_evaluation);
      const double seconds = seconds_since(start);
      lane.evaluation_seconds += seconds;
      progress.pace().add_evaluation(
          lane.epochs_ended == 0 ? lane.first_evaluation_work : lane.evaluation_work, seconds);
      lane.epochs_ended = ended.epoch;
      if (ended.epoch > lane.epochs_known) report.record(ended);
    }
    if (!lane.finished()) return;
    const auto start = Clock::now();
    finish_lane(order, backbone, lane, report);
    progress.pace().add_export(seconds_since(start));
  });
  lane.ended = !survives || lane.finished();
}

std::vector<std::string> identities_of(const Order& order, const std::string& backbone_sha256) {
  std::vector<std::string> identities;
  for (std::size_t lane = 0; lane < order.lanes.size(); ++lane)
    identities.push_back(sha256_of_bytes(lane_identity(order, lane, backbone_sha256)));
  return identities;
}

// The lanes of a run from their data to their results. One thread.
class Training {
 public:
  // checkpoint: of an earlier process, where there is one for this order.
  Training(const Order& order, const BackboneWeights& backbone, Engine& engine, RunReport& report,
           ThreadLimit& threads, const RunOptions& options, std::string order_sha256,
           std::optional<TrainingState> checkpoint)
      : order_(order),
        backbone_(backbone),
        engine_(engine),
        report_(report),
        threads_(threads),
        options_(options),
        order_sha256_(std::move(order_sha256)),
        identities_(identities_of(order, backbone.sha256)),
        history_(read_history(report.directory(), order_sha256_)),
        checkpoint_(std::move(checkpoint)),
        progress_(lanes_, report, engine.product_peak()),
        writer_(report),
        feed_(order, backbone.config, lanes_to_train()) {}

  // True: every lane came to its end; false: stop() said so, and a checkpoint is there.
  bool run(const std::function<bool()>& stop);

  // Why there is no checkpoint though there was one.
  void regret(const std::string& problem);

 private:
  std::vector<int> lanes_to_train() const;
  bool take_in(const std::function<bool()>& stop);
  void join(LaneFeed::Ready ready);
  bool go_on_from_checkpoint(Lane& lane);
  void step();
  void follow_threads();
  void save();

  const Order& order_;
  const BackboneWeights& backbone_;
  Engine& engine_;
  RunReport& report_;
  ThreadLimit& threads_;
  const RunOptions& options_;
  const std::string order_sha256_;
  const std::vector<std::string> identities_;  // of each lane
  const RunHistory history_;
  std::optional<TrainingState> checkpoint_;  // of an earlier process
  std::vector<std::unique_ptr<Lane>> lanes_;
  ProgressReporter progress_;
  CheckpointWriter writer_;
  Clock::time_point saved_ = Clock::now();
  std::optional<Clock::time_point> idle_since_;  // end of the step before
  LaneFeed feed_;
};

std::vector<int> Training::lanes_to_train() const {
  std::vector<int> lanes;
  for (int i = 0; i < static_cast<int>(order_.lanes.size()); ++i)
    if (!history_.concluded(i)) lanes.push_back(i);
  return lanes;
}

void Training::regret(const std::string& problem) {
  for (const int lane : lanes_to_train())
    report_.record(Notice{lane, "warn",
                          "The checkpoint of an earlier attempt cannot be used: " + problem +
                              ". Training starts anew."});
}

// Lanes that are read join between steps. Waits only where there is nothing to train, and then a
// little for more: lanes that begin together share every step. False: stop() said so.
bool Training::take_in(const std::function<bool()>& stop) {
  const bool training = !lanes_.empty();
  if (!training) idle_since_.reset();  // waiting is no part of a step
  std::optional<Clock::time_point> first;
  while (!feed_.exhausted()) {
    if (!training && stop()) return false;
    auto ready = feed_.next(training ? no_patience : patience);
    if (ready) {
      join(*std::move(ready));
      if (!first) first = Clock::now();
    } else if (training) {
      return true;
    }
    if (!training && !lanes_.empty() && seconds_since(*first) > company_patience) return true;
  }
  return true;
}

void Training::join(LaneFeed::Ready ready) {
  lane_survives(ready.lane, report_, [&] {
    if (ready.failure) std::rethrow_exception(ready.failure);
    const std::vector<DataNote> notes = std::exchange(ready.input.notes, {});
    auto lane = build_lane(ready.lane, order_.lanes[static_cast<std::size_t>(ready.lane)],
                           backbone_, std::move(ready.input));
    const bool resumed = go_on_from_checkpoint(*lane);
    if (!resumed || !history_.data_ready.contains(lane->index)) {
      report_ready(*lane, report_);
      for (const DataNote& note : notes)
        report_.record(Notice{lane->index, note.level, note.message});
    }
    if (resumed)
      report_.record(Notice{lane->index, "info",
                            "Training goes on from its checkpoint of step " + grouped(lane->step) +
                                " of " + grouped(lane->total_steps) + "."});
    lanes_.push_back(std::move(lane));
  });
}

bool Training::go_on_from_checkpoint(Lane& lane) {
  if (!checkpoint_) return false;
  for (std::size_t i = 0; i < checkpoint_->header.lanes.size(); ++i) {
    const LanePosition& position = checkpoint_->header.lanes[i];
    if (position.lane != lane.index) continue;
    const LaneTensors tensors = std::exchange(checkpoint_->tensors[i], {});
    if (!go_on(lane, position, tensors)) {
      report_.record(Notice{lane.index, "warn",
                            "The checkpoint of an earlier attempt is of other data. Training "
                            "starts anew."});
      return false;
    }
    const auto known = history_.epochs_ended.find(lane.index);
    if (known != history_.epochs_ended.end()) lane.epochs_known = known->second;
    return true;
  }
  return false;
}

// Between steps and between an evaluation's batches: results are the same with any number.
void Training::follow_threads() {
  threads_.follow(engine_.threads(), [&](std::size_t before, std::size_t after) {
    progress_.threads_changed(before, after);
  });
}

void Training::step() {
  follow_threads();
  std::vector<Lane*> training;
  for (const auto& lane : lanes_) training.push_back(lane.get());
  const auto start = idle_since_.value_or(Clock::now());
  const std::vector<StepSums> steps = train_step(engine_, training);
  progress_.pace().add_step(steps.front().flops, seconds_since(start));

  bool epoch_ended = false;
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    conclude_step(order_, backbone_, engine_, *lanes_[i], steps[i], progress_, report_, [&] {
      follow_threads();
      progress_.beat();
    });
    epoch_ended |= lanes_[i]->step % lanes_[i]->steps_per_epoch == 0;
  }
  std::erase_if(lanes_, [](const auto& lane) { return lane->ended; });
  idle_since_ = Clock::now();
  if (!lanes_.empty() && (epoch_ended || seconds_since(saved_) >= options_.checkpoint_seconds))
    save();
}

void Training::save() {
  TrainingState checkpoint;
  checkpoint.header.program_version = program_version;
  checkpoint.header.order_sha256 = order_sha256_;
  checkpoint.header.time =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  checkpoint.header.precision = engine_.precision();
  for (const auto& lane : lanes_)
    add_lane(checkpoint, *lane, identities_[static_cast<std::size_t>(lane->index)]);
  // Lanes that were under way and wait for their data to be read again.
  for (std::size_t i = 0; checkpoint_ && i < checkpoint_->tensors.size(); ++i) {
    if (!checkpoint_->tensors[i].optimizer.values.defined()) continue;
    if (history_.concluded(checkpoint_->header.lanes[i].lane)) continue;
    checkpoint.header.lanes.push_back(checkpoint_->header.lanes[i]);
    checkpoint.tensors.push_back(checkpoint_->tensors[i]);
  }
  writer_.submit(std::move(checkpoint));
  saved_ = Clock::now();
}

bool Training::run(const std::function<bool()>& stop) {
  while (take_in(stop) && !lanes_.empty()) {
    if (stop()) {
      save();
      writer_.finish();
      return false;
    }
    step();
  }
  if (!lanes_.empty() || !feed_.exhausted()) return false;
  writer_.discard();
  return true;
}

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
  Training training(order, *backbone, *engine, report, threads, options, order_sha256,
                    std::move(checkpoint));
  if (!problem.empty()) training.regret(problem);
  report.record(RunFinished{!training.run(stop)});
}

}  // namespace graft
