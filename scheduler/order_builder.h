// From a run's lanes as the database knows them to the Order that a worker reads.
// Reads the database, writes nothing. For the scheduler's thread.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

#include "storage/blob_store.h"
#include "storage/database.h"
#include "storage/records.h"
#include "trainer/contract/order.h"

namespace graft {

// What keeps a job from being trained and will not pass by waiting; becomes the job's error.
class JobRefused : public std::runtime_error {
 public:
  JobRefused(std::string code, const std::string& message, std::string param)
      : std::runtime_error(message), error_{std::move(code), message, std::move(param)} {}
  const JobError& error() const { return error_; }

 private:
  JobError error_;
};

// The same of one lane of a run; the others may be fine.
class LaneRefused : public std::runtime_error {
 public:
  LaneRefused(std::size_t lane, const JobError& error)
      : std::runtime_error(error.message), lane_(lane), error_(error) {}
  std::size_t lane() const { return lane_; }  // its place in the list
  const JobError& error() const { return error_; }

 private:
  std::size_t lane_;
  JobError error_;
};

// The lanes of `order`, in order, of one job or of several; the rest of `order` is the caller's.
// Throws LaneRefused where a file is gone or a configuration means nothing to this program.
std::vector<LaneOrder> build_lanes(Database& database, const BlobStore& blobs,
                                   const std::vector<RunLane>& lanes);

}  // namespace graft
