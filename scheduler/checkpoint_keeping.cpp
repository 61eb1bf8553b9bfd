// See checkpoint_keeping.h.
#include "scheduler/checkpoint_keeping.h"

#include <spdlog/spdlog.h>

#include <system_error>

#include "storage/jobs.h"
#include "trainer/contract/checkpoint_file.h"
#include "trainer/durable/sha256.h"

namespace graft {

namespace fs = std::filesystem;

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
  std::string sha256;
  for (const LanePosition& position : header->lanes) {
    for (const RunLane& lane : lanes) {
      if (lane.lane != position.lane) continue;
      if (sha256.empty()) {
        sha256 = sha256_of_file(file);
        blobs.adopt(name_to_move(file), sha256);
      }
      keep_trial_checkpoint(database, lane.trial.id, sha256, position.step);
    }
  }
}

void hand_over_checkpoint(const BlobStore& blobs, const RunLane& lane,
                          const RunDirectory& directory) {
  if (!lane.trial.checkpoint_sha256) return;
  const std::string& sha256 = *lane.trial.checkpoint_sha256;
  if (!blobs.verify(sha256)) {
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
