// The arrows of docs/job_lifecycle.md that end a job or put it (back) into the queue; claiming is
// in runs.cpp, success in adapters.cpp. Each is one guarded UPDATE and its event, together or not
// at all.
#include "storage/events.h"
#include "storage/jobs.h"
#include "storage/statement.h"

namespace graft {
namespace {

// Adds the event where the UPDATE found the job in a state it may leave.
bool change(Database& database, Statement& guarded_update, const NewEvent& event, UnixTime now) {
  Transaction transaction(database);
  if (guarded_update.run() == 0) {
    return false;
  }
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
                   "UPDATE jobs SET status = 'failed', finished_at = ?, estimated_finish = NULL, "
                   "error_code = ?, error_message = ?, error_param = ? "
                   "WHERE public_id = ? AND finished_at IS NULL",
                   now, error.code, error.message, param, job_id);
  return change(database, update,
                {.job_id = std::string(job_id),
                 .level = EventLevel::error,
                 .message = "Fine-tuning job failed: " + error.message},
                now);
}

bool requeue_job(Database& database, std::string_view job_id, std::string_view reason,
                 UnixTime now) {
  // created_at decides the place in the queue and stays.
  Statement update(database,
                   "UPDATE jobs SET status = 'queued', estimated_finish = NULL, step = 0, "
                   "tokens_per_second = 0, trained_tokens = 0 "
                   "WHERE public_id = ? AND status = 'running'",
                   job_id);
  return change(database, update,
                {.job_id = std::string(job_id),
                 .level = EventLevel::warn,
                 .message = "The job is back in the queue: " + std::string(reason)},
                now);
}

CancelOutcome cancel_job(Database& database, CustomerId customer, std::string_view id,
                         UnixTime now) {
  Statement update(database,
                   "UPDATE jobs SET status = 'cancelled', finished_at = ?, estimated_finish = NULL "
                   "WHERE public_id = ? AND customer_id = ? AND finished_at IS NULL",
                   now, id, customer);
  if (change(database, update,
             {.job_id = std::string(id), .message = "Fine-tuning job cancelled at your request"},
             now)) {
    return CancelOutcome::cancelled;
  }
  return find_job(database, customer, id) ? CancelOutcome::already_final : CancelOutcome::not_found;
}

}  // namespace graft
