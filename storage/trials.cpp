// Trials of jobs and what they leave behind while they train; see jobs.h.
#include "storage/job_rows.h"
#include "storage/jobs.h"
#include "storage/statement.h"
#include "trainer/durable/identifiers.h"

namespace graft {
namespace {

void require_row(int rows, std::string_view what, std::string_view id) {
  if (rows == 0) {
    throw StorageError(std::string(what) + " that is not there: " + std::string(id), false);
  }
}

}  // namespace

std::vector<Trial> list_trials(Database& database, std::string_view job_id) {
  Statement statement(database,
                      "SELECT " + trial_columns +
                          "FROM jobs j CROSS JOIN trials t ON t.job_id = j.id "
                          "WHERE j.public_id = ? ORDER BY t.number",
                      job_id);
  std::vector<Trial> trials;
  while (statement.step()) {
    trials.push_back(read_trial(statement));
  }
  return trials;
}

namespace {

const std::string checkpoints_of_job =
    "SELECT k.public_id, j.public_id, t.public_id, k.created_at, k.step, k.epoch, k.metrics, "
    "CASE WHEN t.status = 'cancelled' AND t.checkpoint_step = k.step THEN t.checkpoint_sha256 END "
    "FROM jobs j "
    "CROSS JOIN checkpoints k ON k.job_id = j.id CROSS JOIN trials t ON t.id = k.trial_id "
    "WHERE j.public_id = ? ";

Checkpoint read_checkpoint(const Statement& row) {
  return {.id = row.text(0),
          .job_id = row.text(1),
          .trial_id = row.text(2),
          .created_at = row.integer(3),
          .step = row.integer(4),
          .epoch = static_cast<int>(row.integer(5)),
          .metrics = row.text(6),
          .state_sha256 = row.optional_text(7)};
}

}  // namespace

Page<Checkpoint> list_checkpoints(Database& database, std::string_view job_id,
                                  const CheckpointQuery& query) {
  std::string sql = checkpoints_of_job;
  if (query.after) {
    sql += "AND k.id < (SELECT id FROM checkpoints WHERE public_id = ? AND job_id = j.id) ";
  }
  Statement statement(database, sql + "ORDER BY k.id DESC LIMIT ?", job_id);
  if (query.after) {
    statement.bind(*query.after);
  }
  return read_page<Checkpoint>(statement, query.limit, read_checkpoint);
}

std::optional<Checkpoint> find_checkpoint(Database& database, std::string_view job_id,
                                          std::string_view id) {
  Statement statement(database, checkpoints_of_job + "AND k.public_id = ?", job_id, id);
  if (!statement.step()) return std::nullopt;
  return read_checkpoint(statement);
}

std::vector<MetricPoint> list_metric_points(Database& database, std::string_view job_id) {
  Statement statement(database,
                      "SELECT m.step, m.metrics "
                      "FROM jobs j CROSS JOIN trials t ON t.job_id = j.id "
                      "CROSS JOIN metric_points m ON m.trial_id = t.id "
                      "WHERE j.public_id = ? ORDER BY m.step, t.number",
                      job_id);
  std::vector<MetricPoint> points;
  while (statement.step()) {
    points.push_back({statement.integer(0), statement.text(1)});
  }
  return points;
}

void update_progress(Database& database, std::string_view trial_id, const JobProgress& progress,
                     std::int64_t trained_tokens, std::optional<UnixTime> estimated_finish) {
  Statement changed(database,
                    "UPDATE trials SET step = ?, total_steps = ?, tokens_per_second = ?, "
                    "trained_tokens = ?, estimated_finish = ? "
                    "WHERE public_id = ? AND status = 'running' RETURNING job_id",
                    progress.step, progress.total_steps, progress.tokens_per_second, trained_tokens,
                    estimated_finish, trial_id);
  if (!changed.step()) {
    return;
  }
  const std::int64_t job = changed.integer(0);
  changed.run();
  sum_up_trials(database, job);
}

void insert_metric_point(Database& database, std::string_view trial_id, const MetricPoint& point) {
  // A job that starts over reports its steps again; validation may come after the progress of the
  // same step.
  const int rows =
      Statement(database,
                "INSERT INTO metric_points (trial_id, step, metrics) "
                "SELECT id, ?, ? FROM trials WHERE public_id = ? ON CONFLICT (trial_id, step) "
                "DO UPDATE SET metrics = json_patch(metrics, excluded.metrics)",
                point.step, point.metrics, trial_id)
          .run();
  require_row(rows, "a metric point for a trial", trial_id);
}

void list_last_checkpoint(Database& database, std::int64_t trial_row, UnixTime now) {
  Statement(database,
            "INSERT INTO checkpoints (public_id, job_id, trial_id, created_at, step, epoch, "
            "metrics) SELECT ?1, t.job_id, t.id, ?2, t.checkpoint_step, "
            "1 + (SELECT coalesce(max(epoch), 0) FROM checkpoints k WHERE k.trial_id = t.id "
            "AND k.step < t.checkpoint_step), "
            "coalesce((SELECT metrics FROM metric_points m WHERE m.trial_id = t.id "
            "AND m.step <= t.checkpoint_step ORDER BY m.step DESC LIMIT 1), '{}') "
            "FROM trials t WHERE t.id = ?3 AND t.status = 'cancelled' "
            "AND t.checkpoint_sha256 IS NOT NULL AND NOT EXISTS (SELECT 1 FROM run_lanes l "
            "CROSS JOIN runs r ON r.id = l.run_id WHERE l.trial_id = t.id AND r.ended_at IS NULL) "
            "ON CONFLICT (trial_id, step) DO NOTHING",
            new_identifier("ftckpt_"), now, trial_row)
      .run();
}

int forget_cancelled_states(Database& database, UnixTime before) {
  return Statement(database,
                   "UPDATE trials SET checkpoint_sha256 = NULL WHERE checkpoint_sha256 IS NOT NULL "
                   "AND status = 'cancelled' "
                   "AND job_id IN (SELECT id FROM jobs WHERE finished_at < ?)",
                   before)
      .run();
}

void insert_checkpoint(Database& database, const Checkpoint& checkpoint) {
  // A job that starts over reaches the same step again: it stays one checkpoint, with the newer
  // numbers.
  const int rows =
      Statement(database,
                "INSERT INTO checkpoints (public_id, job_id, trial_id, created_at, step, epoch, "
                "metrics) SELECT ?, job_id, id, ?, ?, ?, ? FROM trials WHERE public_id = ? "
                "ON CONFLICT (trial_id, step) DO UPDATE SET metrics = excluded.metrics",
                new_identifier("ftckpt_"), checkpoint.created_at, checkpoint.step, checkpoint.epoch,
                checkpoint.metrics, checkpoint.trial_id)
          .run();
  require_row(rows, "a checkpoint for a trial", checkpoint.trial_id);
}

}  // namespace graft
