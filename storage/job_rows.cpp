// See job_rows.h.
#include "storage/job_rows.h"

namespace graft {
namespace {

constexpr JobStatus all_statuses[] = {
    JobStatus::validating_files, JobStatus::queued, JobStatus::running,  JobStatus::paused,
    JobStatus::succeeded,        JobStatus::failed, JobStatus::cancelled};

}  // namespace

std::string_view to_string(JobStatus status) {
  switch (status) {
    case JobStatus::validating_files:
      return "validating_files";
    case JobStatus::queued:
      return "queued";
    case JobStatus::running:
      return "running";
    case JobStatus::paused:
      return "paused";
    case JobStatus::succeeded:
      return "succeeded";
    case JobStatus::failed:
      return "failed";
    case JobStatus::cancelled:
      return "cancelled";
  }
  return "";
}

std::optional<JobStatus> parse_job_status(std::string_view text) {
  for (const JobStatus status : all_statuses) {
    if (text == to_string(status)) {
      return status;
    }
  }
  return std::nullopt;
}

std::string_view to_string(TrialStatus status) {
  switch (status) {
    case TrialStatus::queued:
      return "queued";
    case TrialStatus::running:
      return "running";
    case TrialStatus::paused:
      return "paused";
    case TrialStatus::succeeded:
      return "succeeded";
    case TrialStatus::failed:
      return "failed";
    case TrialStatus::cancelled:
      return "cancelled";
  }
  return "";
}

TrialStatus parse_trial_status(std::string_view text) {
  for (const TrialStatus status :
       {TrialStatus::queued, TrialStatus::running, TrialStatus::paused, TrialStatus::succeeded,
        TrialStatus::failed, TrialStatus::cancelled}) {
    if (text == to_string(status)) {
      return status;
    }
  }
  throw StorageError("no status of a trial: " + std::string(text), false);
}

std::int64_t job_row(Database& database, std::string_view id) {
  Statement statement(database, "SELECT id FROM jobs WHERE public_id = ?", id);
  if (!statement.step()) {
    throw StorageError("no job " + std::string(id), false);
  }
  return statement.integer(0);
}

bool is_final(JobStatus status) {
  return status == JobStatus::succeeded || status == JobStatus::failed ||
         status == JobStatus::cancelled;
}

const std::string job_columns =
    "j.public_id, j.customer_id, c.name, task.public_id, task.name, j.status, j.created_at, "
    "j.started_at, j.finished_at, j.estimated_finish, j.model, j.backbone_sha256, "
    "training.public_id, validation.public_id, j.suffix, j.seed, j.learning_rate_multiplier, "
    "j.trained_tokens, made.model_id, made.number, j.error_code, j.error_message, j.error_param, "
    "j.step, j.total_steps, j.tokens_per_second, j.attempts, j.id, j.has_metadata, made.metrics ";
const int job_column_count = 30;

const std::string job_tables =
    " CROSS JOIN customers c ON c.id = j.customer_id CROSS JOIN tasks task ON task.id = j.task_id "
    "CROSS JOIN files training ON training.id = j.training_file_id "
    "LEFT JOIN files validation ON validation.id = j.validation_file_id "
    "LEFT JOIN adapter_versions made ON made.id = j.version_id ";

Job read_job(Database& database, const Statement& row, int first) {
  const auto at = [first](int column) { return first + column; };
  Job job{.id = row.text(at(0)),
          .customer = row.integer(at(1)),
          .customer_name = row.text(at(2)),
          .task_id = row.text(at(3)),
          .task_name = row.text(at(4)),
          .status = parse_job_status(row.text(at(5))).value(),
          .created_at = row.integer(at(6)),
          .started_at = row.optional_integer(at(7)),
          .finished_at = row.optional_integer(at(8)),
          .estimated_finish = row.optional_integer(at(9)),
          .model = row.text(at(10)),
          .backbone_sha256 = row.text(at(11)),
          .training_file = row.text(at(12)),
          .validation_file = row.optional_text(at(13)),
          .suffix = row.optional_text(at(14)),
          .seed = row.integer(at(15)),
          .learning_rate_multiplier = row.real(at(16)),
          .trained_tokens = row.integer(at(17)),
          .fine_tuned_model = row.optional_text(at(18))};
  if (!row.is_null(at(19))) {
    job.version = static_cast<int>(row.integer(at(19)));
    job.metrics = row.text(at(29));
  }
  if (!row.is_null(at(20))) {
    job.error = JobError{row.text(at(20)), row.text(at(21)), row.text(at(22))};
  }
  job.progress = {row.integer(at(23)), row.integer(at(24)), row.real(at(25))};
  job.attempts = static_cast<int>(row.integer(at(26)));
  const std::int64_t id = row.integer(at(27));
  if (row.integer(at(28)) != 0) {
    Statement pairs(database, "SELECT key, value FROM job_metadata WHERE job_id = ?", id);
    while (pairs.step()) {
      job.metadata.emplace(pairs.text(0), pairs.text(1));
    }
  }
  if (job.version) {
    Statement files(database,
                    "SELECT f.public_id FROM job_result_files r CROSS JOIN files f "
                    "ON f.id = r.file_id WHERE r.job_id = ? ORDER BY r.file_id",
                    id);
    while (files.step()) {
      job.result_files.push_back(files.text(0));
    }
  }
  return job;
}

const std::string trial_columns =
    "t.public_id, j.public_id, t.number, t.specification, t.status, t.attempts, t.failures, "
    "t.not_before, t.last_end, t.checkpoint_sha256, t.step, t.trained_tokens ";
const int trial_column_count = 12;

Trial read_trial(const Statement& row, int first) {
  const auto number = [&row, first](int column) {
    return static_cast<int>(row.integer(first + column));
  };
  return {.id = row.text(first),
          .job_id = row.text(first + 1),
          .number = number(2),
          .specification = row.text(first + 3),
          .status = parse_trial_status(row.text(first + 4)),
          .attempts = number(5),
          .failures = number(6),
          .not_before = row.integer(first + 7),
          .last_end = row.optional_text(first + 8),
          .checkpoint_sha256 = row.optional_text(first + 9),
          .step = row.integer(first + 10),
          .trained_tokens = row.integer(first + 11)};
}

}  // namespace graft
