// How rows become Job and Trial, shared by the files of this room that read them. Not for other
// rooms.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "storage/records.h"
#include "storage/statement.h"

namespace graft {

// What follows SELECT: the columns of a Job, to be read from `job_tables`.
extern const std::string job_columns;
extern const int job_column_count;
// Joins that complete a Job; follow a FROM that names the table jobs as j.
extern const std::string job_tables;
// Reads the columns from `first` on, and the job's metadata and result files with queries of their
// own.
Job read_job(Database& database, const Statement& row, int first = 0);

extern const std::string trial_columns;  // of the table trials as t, with jobs as j
Trial read_trial(const Statement& row, int first = 0);
extern const int trial_column_count;

std::optional<JobStatus> parse_job_status(std::string_view text);
TrialStatus parse_trial_status(std::string_view text);  // as the schema allows it

// The row of a job by its id, which must be there.
std::int64_t job_row(Database& database, std::string_view id);

// The one place where a job's status, progress and result follow from its trials. Called inside the
// transaction that changed one of them; returns the job's status.
JobStatus derive_job(Database& database, std::int64_t job_row, UnixTime now);
// Its part about progress: attempts, steps, tokens, speed; a job that has ended has no estimate.
void sum_up_trials(Database& database, std::int64_t job_row);

}  // namespace graft
