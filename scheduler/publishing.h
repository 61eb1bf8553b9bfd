// From a lane's finished bundle to an adapter version: verify, move the bytes in, one transaction.
// May be repeated after a crash at any point: the bundle stays in the run directory until the run
// is removed. For the scheduler's thread.
#pragma once

#include <string>
#include <vector>

#include "scheduler/run_directory.h"
#include "storage/blob_store.h"
#include "storage/database.h"
#include "storage/records.h"
#include "trainer/contract/record.h"

namespace graft {

// CSV with the contract's header, and the metrics of other kinds than classification behind it; a
// number that is not known is an empty field.
std::string write_result_csv(const std::vector<MetricPoint>& points, TaskKind kind);

enum class PublishOutcome {
  published,
  not_running,  // the job is final already: published before, or cancelled
  bad_bundle,   // missing, outside the run directory, or not the bytes that were announced
};
// Throws StorageError where the disk or the database does not take it; then nothing is published.
PublishOutcome publish_lane(Database& database, const BlobStore& blobs, const RunLane& lane,
                            const LaneFinished& finished, const RunDirectory& directory,
                            UnixTime now);

}  // namespace graft
