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

}  // namespace graft
