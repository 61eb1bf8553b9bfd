// The arrows of docs/job_lifecycle.md that move a whole job; those of a trial are in
// trial_states.cpp, success in adapters.cpp. Each is one guarded UPDATE and its event, together or
// not at all.
#include "storage/events.h"
#include "storage/job_rows.h"
#include "storage/jobs.h"
#include "storage/statement.h"

namespace graft {
namespace {

// Adds what follows for the job, and the event, where the UPDATE found trials in a state that they
// may leave.
bool change(Database& database, Statement& guarded_update, const NewEvent& event, UnixTime now) {
  Transaction transaction(database);
  if (guarded_update.run() == 0) {
    return false;
  }
  derive_job(database, job_row(database, event.job_id), now);
  insert_event(database, event, now);
  transaction.commit();
  return true;
}

}  // namespace

bool enqueue_job(Database& database, std::string_view job_id, UnixTime now) {
  Statement update(database,
                   "UPDATE jobs SET status = 'queued' "
                   "WHERE public_id = ? AND status = 'validating_files'",
                   job_id);
  return change(
      database, update,
      {.job_id = std::string(job_id), .message = "Files are in place; the job waits in the queue"},
      now);
}

bool fail_job(Database& database, std::string_view job_id, const JobError& error, UnixTime now) {
  const auto param = error.param.empty() ? std::nullopt : std::optional(error.param);
  Statement update(database,
                   "UPDATE trials SET status = 'failed', estimated_finish = NULL, "
                   "error_code = ?, error_message = ?, error_param = ? "
                   "WHERE job_id = (SELECT id FROM jobs WHERE public_id = ?) "
                   "AND status IN ('queued', 'running', 'paused')",
                   error.code, error.message, param, job_id);
  return change(database, update,
                {.job_id = std::string(job_id),
                 .level = EventLevel::error,
                 .message = "Fine-tuning job failed: " + error.message},
                now);
}

CancelOutcome cancel_job(Database& database, CustomerId customer, std::string_view id,
                         UnixTime now) {
  Statement update(database,
                   "UPDATE trials SET status = 'cancelled', estimated_finish = NULL "
                   "WHERE job_id = (SELECT id FROM jobs WHERE "
                   "public_id = ? AND customer_id = ? AND finished_at IS NULL) "
                   "AND status IN ('queued', 'running', 'paused')",
                   id, customer);
  if (change(database, update,
             {.job_id = std::string(id), .message = "Fine-tuning job cancelled at your request"},
             now)) {
    return CancelOutcome::cancelled;
  }
  return find_job(database, customer, id) ? CancelOutcome::already_final : CancelOutcome::not_found;
}

}  // namespace graft
