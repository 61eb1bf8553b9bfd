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

Page<Checkpoint> list_checkpoints(Database& database, std::string_view job_id,
                                  const CheckpointQuery& query) {
  std::string sql =
      "SELECT k.public_id, j.public_id, t.public_id, k.created_at, k.step, k.epoch, k.metrics, "
      "f.public_id FROM jobs j "
      "CROSS JOIN checkpoints k ON k.job_id = j.id CROSS JOIN trials t ON t.id = k.trial_id "
      "LEFT JOIN files f ON f.id = k.file_id AND f.deleted_at IS NULL "
      "AND (f.expires_at IS NULL OR f.expires_at > ?) WHERE j.public_id = ? ";
  if (query.after) {
    sql += "AND k.id < (SELECT id FROM checkpoints WHERE public_id = ? AND job_id = j.id) ";
  }
  Statement statement(database, sql + "ORDER BY k.id DESC LIMIT ?", query.now, job_id);
  if (query.after) {
    statement.bind(*query.after);
  }
  return read_page<Checkpoint>(statement, query.limit, [](const Statement& row) {
    return Checkpoint{.id = row.text(0),
                      .job_id = row.text(1),
                      .trial_id = row.text(2),
                      .created_at = row.integer(3),
                      .step = row.integer(4),
                      .epoch = static_cast<int>(row.integer(5)),
                      .metrics = row.text(6),
                      .file = row.optional_text(7)};
  });
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

void insert_checkpoint(Database& database, const Checkpoint& checkpoint,
                       const std::optional<std::string>& file_id) {
  // A job that starts over reaches the same step again: it stays one checkpoint.
  const int rows =
      Statement(database,
                "INSERT INTO checkpoints (public_id, job_id, trial_id, created_at, step, epoch, "
                "metrics, file_id) SELECT ?, job_id, id, ?, ?, ?, ?, "
                "(SELECT id FROM files WHERE public_id = ?) FROM trials WHERE public_id = ? "
                "ON CONFLICT (trial_id, step) DO UPDATE SET metrics = "
                "iif(excluded.metrics = '{}', metrics, excluded.metrics), "
                "file_id = coalesce(excluded.file_id, file_id)",
                new_identifier("ftckpt_"), checkpoint.created_at, checkpoint.step, checkpoint.epoch,
                checkpoint.metrics, file_id, checkpoint.trial_id)
          .run();
  require_row(rows, "a checkpoint for a trial", checkpoint.trial_id);
}

}  // namespace graft
