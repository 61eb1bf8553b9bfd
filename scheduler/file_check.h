// Whether a new job's files are here and whole, before it is queued. What is in them, the worker
// checks. Reads only. For the scheduler's thread.
#pragma once

#include <cstdint>
#include <optional>

#include "storage/blob_store.h"
#include "storage/database.h"
#include "storage/records.h"

namespace graft {

// Larger files are checked by their size only: hashing them would hold up the scheduler, and the
// worker reads them anyway.
inline constexpr std::int64_t largest_file_to_hash = 64 * 1024 * 1024;

// What is wrong with the job's files, or nothing.
std::optional<JobError> check_files(Database& database, const BlobStore& blobs, const Job& job);

}  // namespace graft
