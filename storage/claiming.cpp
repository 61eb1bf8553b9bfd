// From the queue to a run: which trials are due, and whose share a worker. See runs.h.
#include <string>
#include <vector>

#include "storage/events.h"
#include "storage/job_rows.h"
#include "storage/jobs.h"
#include "storage/runs.h"
#include "storage/statement.h"
#include "trainer/durable/identifiers.h"

namespace graft {
namespace {

// Of a trial t: it waits in the queue, its time has come, and no run has it. What waits for longer
// than any pause lasts was told so by a clock that has been set back since. Binds: now, now + that.
const std::string due =
    "t.status = 'queued' AND (t.not_before <= ? OR t.not_before > ?) "
    "AND NOT EXISTS (SELECT 1 FROM run_lanes l CROSS JOIN runs r ON r.id = l.run_id "
    "WHERE l.trial_id = t.id AND r.ended_at IS NULL)";

// Of a job j: it waits in the queue, not one of its trials has begun yet, and one is due.
const std::string fresh =
    "j.status = 'queued' AND j.finished_at IS NULL AND EXISTS (SELECT 1 FROM trials t "
    "WHERE t.job_id = j.id AND " +
    due +
    ") AND NOT EXISTS (SELECT 1 FROM trials t WHERE t.job_id = j.id AND "
    "(t.status <> 'queued' OR t.failures > 0 OR t.checkpoint_sha256 IS NOT NULL)) ";

void tell_started(Database& database, std::int64_t job_row, UnixTime now) {
  Statement told(database, "SELECT public_id, attempts FROM jobs WHERE id = ?", job_row);
  told.step();
  const std::int64_t attempts = told.integer(1);
  insert_event(database,
               {.job_id = told.text(0),
                .message = attempts == 1 ? "Fine-tuning job started"
                                         : "Fine-tuning job started again (attempt " +
                                               std::to_string(attempts) + ")"},
               now);
}

// Asked first without the write lock: most ticks find nothing.
std::optional<std::int64_t> oldest_due_job(Database& database, UnixTime now) {
  for (const std::string_view status : {"queued", "running"}) {
    Statement statement(database,
                        "SELECT j.id FROM jobs j WHERE j.status = ? AND j.finished_at IS NULL "
                        "AND EXISTS (SELECT 1 FROM trials t WHERE t.job_id = j.id AND " +
                            due + ") ORDER BY j.created_at, j.id LIMIT 1",
                        status, now, now + longest_back_off);
    if (statement.step()) return statement.integer(0);
  }
  return std::nullopt;
}

// The oldest job and those that share its run.
std::vector<std::int64_t> due_jobs(Database& database, UnixTime now, int most) {
  const std::optional<std::int64_t> oldest = oldest_due_job(database, now);
  if (!oldest) return {};
  std::vector<std::int64_t> jobs = {*oldest};
  if (most < 2) return jobs;
  Statement first(database, "SELECT 1 FROM jobs j WHERE j.id = ? AND " + fresh, *oldest, now,
                  now + longest_back_off);
  if (!first.step()) return jobs;
  Statement others(database,
                   "SELECT j.id FROM jobs j WHERE " + fresh +
                       "AND j.id <> ? AND (j.model, j.backbone_sha256) = "
                       "(SELECT model, backbone_sha256 FROM jobs WHERE id = ?) "
                       "ORDER BY j.created_at, j.id LIMIT ?",
                   now, now + longest_back_off, *oldest, *oldest, most - 1);
  while (others.step()) {
    jobs.push_back(others.integer(0));
  }
  return jobs;
}

std::int64_t insert_run(Database& database, const Run& run) {
  Statement made(database,
                 "INSERT INTO runs (public_id, status, launched_at) "
                 "VALUES (?, 'launching', ?) RETURNING id",
                 run.id, run.launched_at);
  made.step();
  const std::int64_t row = made.integer(0);
  made.run();
  return row;
}

// Its due trials become lanes from `lane` on; returns the number behind the last.
std::int64_t claim_trials(Database& database, std::int64_t run, std::int64_t job, std::int64_t lane,
                          UnixTime now) {
  std::vector<std::int64_t> trials;
  Statement due_trials(
      database, "SELECT t.id FROM trials t WHERE t.job_id = ? AND " + due + " ORDER BY t.number",
      job, now, now + longest_back_off);
  while (due_trials.step()) {
    trials.push_back(due_trials.integer(0));
  }
  for (const std::int64_t trial : trials) {
    Statement(database, "INSERT INTO run_lanes (run_id, lane, trial_id) VALUES (?, ?, ?)", run,
              lane++, trial)
        .run();
    Statement(database,
              "UPDATE trials SET status = 'running', attempts = attempts + 1 WHERE id = ?", trial)
        .run();
  }
  return lane;
}

}  // namespace

std::optional<Run> claim_next_job(Database& database, UnixTime now, const ClaimRule& rule) {
  if (!oldest_due_job(database, now)) {
    return std::nullopt;
  }
  Transaction transaction(database);
  const std::vector<std::int64_t> jobs = due_jobs(database, now, rule.most_jobs);
  if (jobs.empty()) {
    return std::nullopt;
  }
  Run run{.id = new_identifier("run_"), .launched_at = now};
  const std::int64_t run_row = insert_run(database, run);
  std::int64_t lane = 0;
  for (const std::int64_t job : jobs) {
    lane = claim_trials(database, run_row, job, lane, now);
    Statement(database, "UPDATE jobs SET started_at = coalesce(started_at, ?) WHERE id = ?", now,
              job)
        .run();
    derive_job(database, job, now);
    if (!rule.quiet) tell_started(database, job, now);
  }
  transaction.commit();
  return run;
}

bool any_trial_waits(Database& database) {
  Statement statement(database,
                      "SELECT 1 FROM jobs j CROSS JOIN trials t ON t.job_id = j.id "
                      "WHERE j.status IN ('queued', 'running') AND j.finished_at IS NULL "
                      "AND t.status = 'queued' LIMIT 1");
  return statement.step();
}

}  // namespace graft
