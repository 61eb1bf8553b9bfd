// See last_checkpoints.h.
#include "storage/last_checkpoints.h"

#include <string>

#include "storage/events.h"
#include "storage/files.h"
#include "storage/job_rows.h"
#include "storage/jobs.h"
#include "storage/statement.h"

namespace graft {

std::vector<Trial> list_ended_trials_with_checkpoint(Database& database, int limit) {
  Statement statement(database,
                      "SELECT " + trial_columns +
                          "FROM trials t CROSS JOIN jobs j ON j.id = t.job_id "
                          "WHERE t.checkpoint_sha256 IS NOT NULL "
                          "AND t.status IN ('failed', 'cancelled') AND NOT EXISTS "
                          "(SELECT 1 FROM run_lanes l CROSS JOIN runs r ON r.id = l.run_id "
                          "WHERE l.trial_id = t.id AND r.ended_at IS NULL) LIMIT ?",
                      limit);
  std::vector<Trial> trials;
  while (statement.step()) {
    trials.push_back(read_trial(statement));
  }
  return trials;
}

void give_out_checkpoint(Database& database, const Checkpoint& checkpoint, const Blob& blob,
                         UnixTime now) {
  Transaction transaction(database);
  Statement owner(database,
                  "SELECT j.public_id, j.customer_id FROM trials t CROSS JOIN jobs j "
                  "ON j.id = t.job_id WHERE t.public_id = ?",
                  checkpoint.trial_id);
  if (!owner.step()) {
    throw StorageError("no trial " + checkpoint.trial_id, false);
  }
  const std::string step = std::to_string(checkpoint.step);
  const File file = insert_file(database,
                                {.customer = owner.integer(1),
                                 .blob = blob,
                                 .filename = "checkpoint-step-" + step + ".safetensors",
                                 .purpose = "fine-tune-results",
                                 .expires_at = now + last_checkpoint_seconds},
                                now);
  insert_checkpoint(database, checkpoint, file.id);
  drop_checkpoint(database, checkpoint.trial_id);
  insert_event(
      database,
      {.job_id = owner.text(0),
       .message = "The last checkpoint, of step " + step + ", is kept for 30 days: " + file.id},
      now);
  transaction.commit();
}

void drop_checkpoint(Database& database, std::string_view trial_id) {
  Statement(database, "UPDATE trials SET checkpoint_sha256 = NULL WHERE public_id = ?", trial_id)
      .run();
}

}  // namespace graft
