// See checkpoint_keeping.h.
#include "scheduler/checkpoint_keeping.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <system_error>

#include "storage/jobs.h"
#include "storage/last_checkpoints.h"
#include "trainer/contract/checkpoint_file.h"
#include "trainer/durable/sha256.h"

namespace graft {

namespace fs = std::filesystem;

namespace {

constexpr int most_given_out = 8;  // in one tick

// The hash of the blob that holds this lane alone: nobody gets another's. nullopt: it cannot be
// read.
std::optional<std::string> store_lane(const BlobStore& blobs, const fs::path& file,
                                      const CheckpointHeader& header, int lane) {
  if (header.lanes.size() == 1) return blobs.adopt(name_to_move(file), sha256_of_file(file)).sha256;
  const auto bytes = checkpoint_of_lane(file, lane);
  if (!bytes) return std::nullopt;
  return blobs.put(*bytes).sha256;
}

// As the end of an epoch is told, with what is known in its middle.
Checkpoint describe(const Trial& trial, const LanePosition& position, UnixTime now) {
  std::int64_t epochs = 1;
  try {
    epochs = std::max(parse_specification(trial.specification).n_epochs, 1);
  } catch (const ProtocolError&) {
  }
  const std::int64_t steps = std::max<std::int64_t>(position.total_steps / epochs, 1);
  Checkpoint checkpoint;
  checkpoint.trial_id = trial.id;
  checkpoint.created_at = now;
  checkpoint.step = position.step;
  checkpoint.epoch = static_cast<int>(std::min((position.step - 1) / steps + 1, epochs));
  const StepTotals& sums = position.epoch_sums;
  if (sums.rows > 0) {
    const auto rows = static_cast<double>(sums.rows);
    Metrics metrics{{"train_loss", sums.loss / rows}};
    if (sums.correct) metrics.set("train_accuracy", static_cast<double>(*sums.correct) / rows);
    checkpoint.metrics = write_metrics_text(metrics);
  }
  return checkpoint;
}

}  // namespace

fs::path name_to_move(const fs::path& file) {
  fs::path second = file;
  second += ".adopting";
  std::error_code error;
  fs::remove(second, error);
  fs::create_hard_link(file, second, error);
  return error ? file : second;
}

void keep_checkpoint(Database& database, const BlobStore& blobs, const std::vector<RunLane>& lanes,
                     const RunDirectory& directory) {
  const fs::path file = directory.checkpoint();
  const std::optional<CheckpointHeader> header = read_checkpoint_header(file);
  if (!header) return;
  for (const LanePosition& position : header->lanes) {
    for (const RunLane& lane : lanes) {
      if (lane.lane != position.lane || lane.trial.status == TrialStatus::succeeded) continue;
      if (const auto sha256 = store_lane(blobs, file, *header, lane.lane)) {
        keep_trial_checkpoint(database, lane.trial.id, *sha256, position.step);
      } else {
        spdlog::error("job {}: the checkpoint of run {} is damaged", lane.job.id,
                      directory.path().filename().string());
      }
    }
  }
}

void give_out_checkpoints(Database& database, const BlobStore& blobs, UnixTime now) {
  for (const Trial& trial : list_ended_trials_with_checkpoint(database, most_given_out)) {
    const fs::path file = blobs.path(*trial.checkpoint_sha256);
    const std::optional<CheckpointHeader> header = read_checkpoint_header(file);
    std::error_code error;
    const auto bytes = fs::file_size(file, error);
    if (error || !header || header->lanes.size() != 1 || header->lanes[0].step == 0) {
      drop_checkpoint(database, trial.id);
      continue;
    }
    give_out_checkpoint(database, describe(trial, header->lanes[0], now),
                        {*trial.checkpoint_sha256, static_cast<std::int64_t>(bytes)}, now);
    spdlog::info("job {}: its last checkpoint, of step {}, is its customer's", trial.job_id,
                 header->lanes[0].step);
  }
}

void hand_over_checkpoint(const BlobStore& blobs, const RunLane& lane,
                          const RunDirectory& directory) {
  if (!lane.trial.checkpoint_sha256) return;
  const std::string& sha256 = *lane.trial.checkpoint_sha256;
  bool whole = false;
  try {
    whole = blobs.verify(sha256);
  } catch (const StorageError& error) {  // it cannot be read; that is this trial's trouble alone
    spdlog::error("{}", error.what());
  }
  if (!whole) {
    spdlog::error("job {}: its checkpoint {} is damaged or gone; training starts anew", lane.job.id,
                  sha256);
    return;
  }
  const fs::path target = directory.lane_checkpoint(lane.lane);
  fs::create_directories(target.parent_path());
  std::error_code error;
  fs::remove(target, error);
  fs::create_hard_link(blobs.path(sha256), target, error);
  if (error) fs::copy_file(blobs.path(sha256), target);
}

}  // namespace graft
