// The last checkpoint of a trial that was cancelled or has failed: a file of its customer's, told
// by the job's checkpoint of that step. For the scheduler alone.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "storage/blob_store.h"
#include "storage/database.h"
#include "storage/records.h"

namespace graft {

// Trials that came to such an end and still own their checkpoint. Those of runs that are under way
// are not among them: their worker may leave a later one.
std::vector<Trial> list_ended_trials_with_checkpoint(Database& database, int limit);

// So long a last checkpoint is kept, unless its customer deletes it before.
inline constexpr UnixTime last_checkpoint_seconds = 30 * 24 * 60 * 60;

// One transaction: the file, the job's checkpoint of that step (added where none was told) that
// names it, an event; the trial owns it no longer. `checkpoint`: id and job_id are found here.
void give_out_checkpoint(Database& database, const Checkpoint& checkpoint, const Blob& blob,
                         UnixTime now);
// The trial owns none any more: it was none that can be read, or nothing was trained.
void drop_checkpoint(Database& database, std::string_view trial_id);

}  // namespace graft
