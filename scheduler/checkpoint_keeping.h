// A trial's checkpoint outlives its run: kept as a blob when the run ends, handed over to the next
// one, or given to its customer where there is none. docs/checkpoints.md. For the scheduler's
// thread; throws StorageError and std::system_error.
#pragma once

#include <vector>

#include "scheduler/run_directory.h"
#include "storage/blob_store.h"
#include "storage/records.h"

namespace graft {

// Stores the checkpoint that an ended run left, if it left one that can be read, and notes it with
// the trials that it holds, for each its own part. May be repeated.
void keep_checkpoint(Database& database, const BlobStore& blobs, const std::vector<RunLane>& lanes,
                     const RunDirectory& directory);

// Puts the trial's checkpoint, where it has one that is whole, into the lane's directory.
void hand_over_checkpoint(const BlobStore& blobs, const RunLane& lane,
                          const RunDirectory& directory);

// Makes the checkpoints of trials that were cancelled or have failed files of their customers', a
// few at a time.
void give_out_checkpoints(Database& database, const BlobStore& blobs, UnixTime now);

// Gives a file a second name to be moved under, so that a crash before its row leaves the first.
// Where links cannot be made, the file itself.
std::filesystem::path name_to_move(const std::filesystem::path& file);

}  // namespace graft
