// From a run's lanes as the database knows them to the Order that a worker reads.
// Reads the database, writes nothing. For the scheduler's thread.
#pragma once

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "storage/blob_store.h"
#include "storage/database.h"
#include "storage/records.h"
#include "trainer/contract/order.h"

namespace graft {

// What keeps the jobs of a run, or one of its lanes, from being trained and will not pass by
// waiting; becomes the job's error.
class JobRefused : public std::runtime_error {
 public:
  explicit JobRefused(JobError error, std::optional<std::size_t> lane = std::nullopt)
      : std::runtime_error(error.message), error_(std::move(error)), lane_(lane) {}
  const JobError& error() const { return error_; }
  // Its place in the run's list, where the others may be fine; nullopt: none can be trained.
  std::optional<std::size_t> lane() const { return lane_; }

 private:
  JobError error_;
  std::optional<std::size_t> lane_;
};

// The lanes of `order`, in order, of one job or of several; the rest of `order` is the caller's.
// Throws JobRefused with the lane where a file is gone or a configuration means nothing to this
// program.
std::vector<LaneOrder> build_lanes(Database& database, const BlobStore& blobs,
                                   const std::vector<RunLane>& lanes);

}  // namespace graft
