// The life of a trial and what follows of it for its job: docs/job_lifecycle.md has the arrows.
// Each arrow is one guarded UPDATE, what it means for the job, and its event, together or not at
// all.
#include <algorithm>
#include <string>

#include "storage/events.h"
#include "storage/job_rows.h"
#include "storage/jobs.h"
#include "storage/statement.h"
#include "trainer/durable/identifiers.h"

namespace graft {
namespace {

struct TrialRow {
  std::int64_t trial = 0, job = 0;
  std::string job_id, last_end;
};

TrialRow require_trial(Database& database, std::string_view trial_id) {
  Statement statement(
      database,
      "SELECT t.id, j.id, j.public_id, coalesce(t.last_end, '') FROM trials t CROSS JOIN jobs j "
      "ON j.id = t.job_id WHERE t.public_id = ?",
      trial_id);
  if (!statement.step()) {
    throw StorageError("no trial " + std::string(trial_id), false);
  }
  return {statement.integer(0), statement.integer(1), statement.text(2), statement.text(3)};
}

std::vector<TrialStatus> trial_statuses(Database& database, std::int64_t job_row) {
  Statement statement(database, "SELECT status FROM trials WHERE job_id = ?", job_row);
  std::vector<TrialStatus> statuses;
  while (statement.step()) {
    statuses.push_back(parse_trial_status(statement.text(0)));
  }
  return statuses;
}

}  // namespace

JobStatus derive_status(const std::vector<TrialStatus>& trials) {
  const auto any = [&](TrialStatus status) {
    return std::find(trials.begin(), trials.end(), status) != trials.end();
  };
  if (any(TrialStatus::running)) return JobStatus::running;
  if (any(TrialStatus::queued)) return JobStatus::queued;
  if (any(TrialStatus::paused)) return JobStatus::paused;
  if (any(TrialStatus::succeeded)) return JobStatus::succeeded;
  if (any(TrialStatus::failed)) return JobStatus::failed;
  return JobStatus::cancelled;
}

void sum_up_trials(Database& database, std::int64_t job_row) {
  Statement(database,
            "UPDATE jobs SET (attempts, step, total_steps, tokens_per_second, trained_tokens, "
            "estimated_finish) = (SELECT max(attempts), sum(step), sum(total_steps), "
            "sum(tokens_per_second), sum(trained_tokens), "
            "CASE WHEN jobs.finished_at IS NULL THEN max(estimated_finish) END "
            "FROM trials WHERE job_id = jobs.id) WHERE id = ?",
            job_row)
      .run();
}

JobStatus derive_job(Database& database, std::int64_t job_row, UnixTime now) {
  const JobStatus status = derive_status(trial_statuses(database, job_row));
  if (is_final(status)) {
    Statement(database,
              "UPDATE jobs SET status = ?1, finished_at = ?2, "
              "version_id = CASE ?1 WHEN 'succeeded' THEN (SELECT max(id) FROM adapter_versions "
              "WHERE job_id = jobs.id) END, "
              "(error_code, error_message, error_param) = "
              "(SELECT error_code, error_message, error_param FROM trials "
              "WHERE job_id = jobs.id AND ?1 = 'failed' AND error_code IS NOT NULL "
              "ORDER BY number LIMIT 1) WHERE id = ?3 AND finished_at IS NULL",
              to_string(status), now, job_row)
        .run();
  } else {
    Statement(database, "UPDATE jobs SET status = ? WHERE id = ? AND finished_at IS NULL",
              to_string(status), job_row)
        .run();
  }
  sum_up_trials(database, job_row);
  return status;
}

bool requeue_trial(Database& database, std::string_view trial_id, const TrialReturn& why,
                   UnixTime now) {
  Transaction transaction(database);
  const TrialRow row = require_trial(database, trial_id);
  // created_at of the job decides the place in the queue and stays; so does the progress, which the
  // checkpoint keeps.
  const int changed =
      Statement(database,
                "UPDATE trials SET status = 'queued', estimated_finish = NULL, "
                "tokens_per_second = 0, last_end = ?, not_before = ?, failures = failures + ?, "
                "attempts = max(attempts - ?, 0), step = checkpoint_step "
                "WHERE id = ? AND status = 'running'",
                why.reason, why.not_before, why.its_own_fault, why.never_began, row.trial)
          .run();
  if (changed == 0) {
    return false;
  }
  derive_job(database, row.job, now);
  // What goes on for days is said once.
  if (!why.reason.empty() && why.reason != row.last_end) {
    insert_event(database,
                 {.job_id = row.job_id,
                  .level = EventLevel::warn,
                  .message = "The job is back in the queue: " + why.reason},
                 now);
  }
  transaction.commit();
  return true;
}

bool fail_trial(Database& database, std::string_view trial_id, const JobError& error,
                UnixTime now) {
  Transaction transaction(database);
  const TrialRow row = require_trial(database, trial_id);
  const auto param = error.param.empty() ? std::nullopt : std::optional(error.param);
  const int changed =
      Statement(database,
                "UPDATE trials SET status = 'failed', estimated_finish = NULL, last_end = ?2, "
                "error_code = ?1, error_message = ?2, error_param = ?3 "
                "WHERE id = ?4 AND status IN ('queued', 'running', 'paused')",
                error.code, error.message, param, row.trial)
          .run();
  if (changed == 0) {
    return false;
  }
  const JobStatus job = derive_job(database, row.job, now);
  insert_event(database,
               {.job_id = row.job_id,
                .level = is_final(job) ? EventLevel::error : EventLevel::warn,
                .message = (job == JobStatus::failed ? "Fine-tuning job failed: "
                                                     : "A configuration of the job failed: ") +
                           error.message},
               now);
  transaction.commit();
  return true;
}

void keep_trial_checkpoint(Database& database, std::string_view trial_id, std::string_view sha256,
                           std::int64_t step) {
  Statement(database,
            "UPDATE trials SET checkpoint_sha256 = ?, checkpoint_step = ? "
            "WHERE public_id = ? AND status <> 'succeeded'",
            sha256, step, trial_id)
      .run();
}

PauseOutcome pause_job(Database& database, CustomerId customer, std::string_view id, UnixTime now) {
  Transaction transaction(database);
  const std::optional<Job> job = find_job(database, customer, id);
  if (!job) return PauseOutcome::not_found;
  if (job->status == JobStatus::paused) return PauseOutcome::unchanged;
  if (job->status != JobStatus::queued && job->status != JobStatus::running)
    return PauseOutcome::not_possible;
  Statement(database,
            "UPDATE trials SET status = 'paused', estimated_finish = NULL, tokens_per_second = 0 "
            "WHERE job_id = (SELECT id FROM jobs WHERE public_id = ?) "
            "AND status IN ('queued', 'running')",
            id)
      .run();
  derive_job(database, job_row(database, id), now);
  insert_event(database,
               {.job_id = std::string(id),
                .message = "Fine-tuning job paused at your request; resume it to go on from "
                           "where it stands"},
               now);
  transaction.commit();
  return PauseOutcome::changed;
}

PauseOutcome resume_job(Database& database, CustomerId customer, std::string_view id,
                        UnixTime now) {
  Transaction transaction(database);
  const std::optional<Job> job = find_job(database, customer, id);
  if (!job) return PauseOutcome::not_found;
  if (job->status == JobStatus::queued || job->status == JobStatus::running)
    return PauseOutcome::unchanged;
  if (job->status != JobStatus::paused) return PauseOutcome::not_possible;
  Statement(database,
            "UPDATE trials SET status = 'queued', not_before = 0 "
            "WHERE job_id = (SELECT id FROM jobs WHERE public_id = ?) AND status = 'paused'",
            id)
      .run();
  derive_job(database, job_row(database, id), now);
  insert_event(database,
               {.job_id = std::string(id), .message = "Fine-tuning job resumed at your request"},
               now);
  transaction.commit();
  return PauseOutcome::changed;
}

}  // namespace graft
