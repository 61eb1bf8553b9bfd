// See runs.h.
#include "storage/runs.h"

#include "storage/job_rows.h"
#include "storage/statement.h"

namespace graft {
namespace {

RunStatus parse_run_status(std::string_view text) {
  return text == "launching" ? RunStatus::launching
         : text == "running" ? RunStatus::running
                             : RunStatus::ended;
}

}  // namespace

std::vector<Run> list_active_runs(Database& database) {
  Statement statement(database,
                      "SELECT public_id, status, launched_at, ended_at, records_offset, outcome "
                      "FROM runs WHERE ended_at IS NULL ORDER BY launched_at, id");
  std::vector<Run> runs;
  while (statement.step()) {
    runs.push_back({statement.text(0), parse_run_status(statement.text(1)), statement.integer(2),
                    statement.optional_integer(3), statement.integer(4),
                    statement.optional_text(5)});
  }
  return runs;
}

std::vector<RunLane> list_lanes(Database& database, std::string_view run_id) {
  Statement statement(database,
                      "SELECT l.lane, " + trial_columns + ", " + job_columns +
                          "FROM runs r CROSS JOIN run_lanes l ON l.run_id = r.id "
                          "CROSS JOIN trials t ON t.id = l.trial_id "
                          "CROSS JOIN jobs j ON j.id = t.job_id" +
                          job_tables + "WHERE r.public_id = ? ORDER BY l.lane",
                      run_id);
  std::vector<RunLane> lanes;
  while (statement.step()) {
    lanes.push_back({static_cast<int>(statement.integer(0)), read_trial(statement, 1),
                     read_job(database, statement, 1 + trial_column_count)});
  }
  return lanes;
}

void mark_run_running(Database& database, std::string_view run_id) {
  Statement(database,
            "UPDATE runs SET status = 'running' WHERE public_id = ? AND status = 'launching'",
            run_id)
      .run();
}

void end_run(Database& database, std::string_view run_id, std::string_view outcome, UnixTime now) {
  Statement(database,
            "UPDATE runs SET status = 'ended', ended_at = ?, outcome = ? "
            "WHERE public_id = ? AND ended_at IS NULL",
            now, outcome, run_id)
      .run();
}

void set_records_offset(Database& database, std::string_view run_id, std::int64_t offset) {
  Statement(database, "UPDATE runs SET records_offset = ? WHERE public_id = ?", offset, run_id)
      .run();
}

}  // namespace graft
