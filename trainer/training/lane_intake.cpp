// Joining, at the first step or at that of a checkpoint.
#include "trainer/training/lane_intake.h"

#include <chrono>
#include <exception>
#include <utility>

#include "trainer/durable/sha256.h"
#include "trainer/training/clock.h"
#include "trainer/training/lane_failure.h"

namespace graft {
namespace {

// With the next lane's data.
constexpr std::chrono::milliseconds no_patience{0}, patience{100};
constexpr double company_patience = 2.0;  // seconds that a lane waits for others to begin with

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
  report.record(DataReady{lane.index, training, validation, truncated, lane.task.kind->name(),
                          lane.model.labels, lane.total_steps, lane.optimizer->parameters()});
}

}  // namespace

LaneIntake::LaneIntake(const Order& order, const std::string& order_sha256,
                       const BackboneWeights& backbone, RunReport& report,
                       std::optional<TrainingState> earlier)
    : order_(order),
      backbone_(backbone),
      report_(report),
      history_(read_history(report.directory(), order_sha256)),
      earlier_(std::move(earlier)),
      feed_(order, backbone.config, lanes_to_train()) {}

std::vector<int> LaneIntake::lanes_to_train() const {
  std::vector<int> lanes;
  for (int i = 0; i < static_cast<int>(order_.lanes.size()); ++i)
    if (!history_.concluded(i)) lanes.push_back(i);
  return lanes;
}

void LaneIntake::regret(const std::string& problem) {
  for (const int lane : lanes_to_train())
    report_.record(Notice{lane, "warn",
                          "The checkpoint of an earlier attempt cannot be used: " + problem +
                              ". Training starts anew."});
}

bool LaneIntake::take_in(std::vector<std::unique_ptr<Lane>>& lanes,
                         const std::function<bool()>& stop) {
  const bool training = !lanes.empty();
  std::optional<Clock::time_point> first;
  while (!feed_.exhausted()) {
    if (!training && stop()) return false;
    auto ready = feed_.next(training ? no_patience : patience);
    if (ready) {
      join(lanes, *std::move(ready));
      if (!first) first = Clock::now();
    } else if (training) {
      return true;
    }
    if (!training && !lanes.empty() && seconds_since(*first) > company_patience) return true;
  }
  return true;
}

void LaneIntake::join(std::vector<std::unique_ptr<Lane>>& lanes, LaneFeed::Ready ready) {
  lane_survives(ready.lane, report_, [&] {
    if (ready.failure) std::rethrow_exception(ready.failure);
    const std::vector<DataNote> notes = std::exchange(ready.input.notes, {});
    auto lane = build_lane(ready.lane, order_.lanes[static_cast<std::size_t>(ready.lane)],
                           backbone_, std::move(ready.input));
    lane->identity = sha256_of_bytes(
        lane_identity(order_, static_cast<std::size_t>(lane->index), backbone_.sha256));
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
    lanes.push_back(std::move(lane));
  });
}

bool LaneIntake::go_on_from_checkpoint(Lane& lane) {
  if (!earlier_) return false;
  for (std::size_t i = 0; i < earlier_->header.lanes.size(); ++i) {
    const LanePosition& position = earlier_->header.lanes[i];
    if (position.lane != lane.index) continue;
    const LaneTensors tensors = std::exchange(earlier_->tensors[i], {});
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

void LaneIntake::add_waiting(TrainingState& checkpoint) const {
  for (std::size_t i = 0; earlier_ && i < earlier_->tensors.size(); ++i) {
    if (!earlier_->tensors[i].optimizer.values.defined()) continue;
    if (history_.concluded(earlier_->header.lanes[i].lane)) continue;
    checkpoint.header.lanes.push_back(earlier_->header.lanes[i]);
    checkpoint.tensors.push_back(earlier_->tensors[i]);
  }
}

}  // namespace graft
