// See adapters.h.
#include "storage/adapters.h"

#include "storage/events.h"
#include "storage/files.h"
#include "storage/job_rows.h"
#include "storage/jobs.h"
#include "storage/statement.h"
#include "trainer/durable/identifiers.h"

namespace graft {
namespace {

const std::string version_columns =
    "v.public_id, v.customer_id, t.public_id, t.name, v.number, v.model_id, j.public_id, "
    "l.public_id, v.backbone_name, v.backbone_sha256, v.bundle_sha256, v.bundle_bytes, v.metrics, "
    "v.created_at, EXISTS (SELECT 1 FROM hidden_versions h WHERE h.version_id = v.id), v.kind, "
    "v.id ";
// Follow a FROM that names adapter_versions as v and tasks as t.
const std::string version_tables =
    " CROSS JOIN jobs j ON j.id = v.job_id CROSS JOIN trials l ON l.id = v.trial_id ";
const std::string from_version =
    "FROM adapter_versions v CROSS JOIN tasks t ON t.id = v.task_id" + version_tables;
const std::string from_task =
    "FROM tasks t CROSS JOIN adapter_versions v ON v.task_id = t.id" + version_tables;

AdapterVersion read_version(Database& database, const Statement& row) {
  AdapterVersion version{.id = row.text(0),
                         .customer = row.integer(1),
                         .task_id = row.text(2),
                         .task_name = row.text(3),
                         .number = static_cast<int>(row.integer(4)),
                         .model_id = row.text(5),
                         .job_id = row.text(6),
                         .trial_id = row.text(7),
                         .backbone_name = row.text(8),
                         .backbone_sha256 = row.text(9),
                         .bundle_sha256 = row.text(10),
                         .bundle_bytes = row.integer(11),
                         .metrics = row.text(12),
                         .created_at = row.integer(13),
                         .hidden = row.integer(14) != 0,
                         .kind = row.text(15)};
  Statement labels(
      database, "SELECT label FROM adapter_version_labels WHERE version_id = ? ORDER BY class_id",
      row.integer(16));
  while (labels.step()) {
    version.labels.push_back(labels.text(0));
  }
  return version;
}

std::optional<AdapterVersion> read_one_version(Database& database, Statement& statement) {
  return statement.step() ? std::optional(read_version(database, statement)) : std::nullopt;
}

// The number is the highest so far and one, inside the
// transaction.
void insert_version_row(Database& database, const Job& job, const NewAdapterVersion& version,
                        const std::string& model_id, UnixTime now) {
  Statement statement(
      database,
      "INSERT INTO adapter_versions (public_id, customer_id, task_id, number, model_id, job_id, "
      "trial_id, backbone_name, backbone_sha256, bundle_sha256, bundle_bytes, label_count, "
      "metrics, kind, report, "
      "created_at) SELECT ?, j.customer_id, j.task_id, "
      "(SELECT coalesce(max(number), 0) + 1 FROM adapter_versions WHERE task_id = j.task_id), "
      "?, j.id, l.id, j.model, ?, ?, ?, ?, ?, ?, ?, ? FROM jobs j CROSS JOIN trials l ON l.job_id "
      "= j.id "
      "WHERE j.public_id = ? AND l.public_id = ? RETURNING id",
      new_identifier("ver_"), model_id, version.backbone_sha256, version.bundle.sha256,
      version.bundle.bytes, static_cast<std::int64_t>(version.labels.size()), version.metrics,
      version.kind, version.report, now, job.id, version.trial_id);
  if (!statement.step()) {
    throw StorageError("job " + job.id + " has no trial " + version.trial_id, false);
  }
  const std::int64_t row = statement.integer(0);
  statement.run();
  for (std::size_t class_id = 0; class_id < version.labels.size(); ++class_id) {
    Statement(database,
              "INSERT INTO adapter_version_labels (version_id, class_id, label) VALUES (?, ?, ?)",
              row, static_cast<std::int64_t>(class_id), version.labels[class_id])
        .run();
  }
}

}  // namespace

std::optional<AdapterVersion> publish_version(Database& database, const NewAdapterVersion& version,
                                              UnixTime now) {
  Transaction transaction(database);
  const auto job = find_job_of_any_customer(database, version.job_id);
  Statement succeeds(database,
                     "UPDATE trials SET status = 'succeeded', trained_tokens = ?, "
                     "estimated_finish = NULL, checkpoint_sha256 = NULL WHERE public_id = ? "
                     "AND status IN ('queued', 'running', 'paused')",
                     version.trained_tokens, version.trial_id);
  Statement known(database,
                  "SELECT 1 FROM trials t CROSS JOIN jobs j ON j.id = t.job_id "
                  "WHERE t.public_id = ? AND j.public_id = ?",
                  version.trial_id, version.job_id);
  if (!known.step()) {
    throw StorageError("job " + version.job_id + " has no trial " + version.trial_id, false);
  }
  if (!job || succeeds.run() == 0) {
    return std::nullopt;
  }
  const std::string model_id = new_identifier(model_stem(*job), 8);
  insert_version_row(database, *job, version, model_id, now);
  if (version.result_file) {
    const File file = insert_file(database,
                                  {.customer = job->customer,
                                   .blob = *version.result_file,
                                   .filename = "step_metrics.csv",
                                   .purpose = "fine-tune-results"},
                                  now);
    Statement(database,
              "INSERT INTO job_result_files (job_id, file_id) SELECT j.id, f.id "
              "FROM jobs j CROSS JOIN files f WHERE j.public_id = ? AND f.public_id = ?",
              job->id, file.id)
        .run();
  }
  const JobStatus status = derive_job(database, job_row(database, job->id), now);
  insert_event(database,
               {.job_id = job->id, .message = "New fine-tuned model created: " + model_id}, now);
  if (status == JobStatus::succeeded) {
    insert_event(database, {.job_id = job->id, .message = "Fine tuning job successfully completed"},
                 now);
  }
  auto made = find_version_by_model(database, job->customer, model_id);
  transaction.commit();
  return made;
}

std::optional<AdapterVersion> find_version(Database& database, const Task& task, int number) {
  Statement statement(database,
                      "SELECT " + version_columns + from_task +
                          "WHERE t.public_id = ? AND t.customer_id = ? AND v.number = ?",
                      task.id, task.customer, number);
  return read_one_version(database, statement);
}

Page<AdapterVersion> list_versions(Database& database, const Task& task,
                                   const VersionQuery& query) {
  std::string sql =
      "SELECT " + version_columns + from_task + "WHERE t.public_id = ? AND t.customer_id = ? ";
  if (query.after) {
    sql +=
        "AND v.number < (SELECT number FROM adapter_versions WHERE public_id = ? "
        "AND task_id = t.id) ";
  }
  Statement statement(database, sql + "ORDER BY v.number DESC LIMIT ?", task.id, task.customer);
  if (query.after) statement.bind(*query.after);
  return read_page<AdapterVersion>(
      statement, query.limit, [&](const Statement& row) { return read_version(database, row); });
}

std::optional<AdapterVersion> find_version_by_model(Database& database, CustomerId customer,
                                                    std::string_view model_id) {
  Statement statement(
      database,
      "SELECT " + version_columns + from_version + "WHERE v.model_id = ? AND v.customer_id = ?",
      model_id, customer);
  return read_one_version(database, statement);
}

Page<AdapterVersion> list_models(Database& database, CustomerId customer, const ModelQuery& query) {
  std::string sql = "SELECT " + version_columns + from_version + "WHERE v.customer_id = ? ";
  if (query.after) {
    sql +=
        "AND v.id < (SELECT id FROM adapter_versions WHERE model_id = ? AND customer_id = "
        "v.customer_id) ";
  }
  Statement statement(database,
                      sql +
                          "AND NOT EXISTS (SELECT 1 FROM hidden_versions h "
                          "WHERE h.version_id = v.id) ORDER BY v.id DESC LIMIT ?",
                      customer);
  if (query.after) statement.bind(*query.after);
  return read_page<AdapterVersion>(
      statement, query.limit, [&](const Statement& row) { return read_version(database, row); });
}

bool hide_version(Database& database, CustomerId customer, std::string_view model_id,
                  UnixTime now) {
  return Statement(database,
                   "INSERT INTO hidden_versions (version_id, hidden_at) SELECT id, ? "
                   "FROM adapter_versions WHERE model_id = ? AND customer_id = ? "
                   "ON CONFLICT DO NOTHING",
                   now, model_id, customer)
             .run() > 0;
}

std::optional<std::string> find_report(Database& database, const AdapterVersion& version) {
  Statement statement(database, "SELECT report FROM adapter_versions WHERE public_id = ?",
                      version.id);
  return statement.step() ? statement.optional_text(0) : std::nullopt;
}

}  // namespace graft
