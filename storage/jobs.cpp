// Making, finding and listing jobs; see jobs.h. Their status changes in job_states.cpp.
#include "storage/jobs.h"

#include <utility>

#include "storage/events.h"
#include "storage/job_rows.h"
#include "storage/statement.h"
#include "trainer/durable/identifiers.h"

namespace graft {
namespace {

constexpr UnixTime idempotency_window = 24 * 60 * 60;
constexpr std::size_t task_suffix_length = 8;
constexpr std::int64_t plenty_of_jobs = 500;

std::string default_task_name(std::string_view job_id) {
  return "task-" + std::string(job_id.substr(job_id.size() - task_suffix_length));
}

std::optional<Job> read_one_job(Database& database, Statement& statement) {
  return statement.step() ? std::optional(read_job(database, statement)) : std::nullopt;
}

std::int64_t file_row(Database& database, CustomerId customer, const std::string& id) {
  Statement statement(database, "SELECT id FROM files WHERE public_id = ? AND customer_id = ?", id,
                      customer);
  if (!statement.step()) {
    throw StorageError("this customer has no file " + id, false);
  }
  return statement.integer(0);
}

// The row of the customer's task of that name, made where there is none.
std::int64_t ensure_task(Database& database, CustomerId customer, const std::string& name,
                         UnixTime now) {
  Statement(database,
            "INSERT INTO tasks (public_id, customer_id, name, adapter_name, kind, created_at) "
            "VALUES (?, ?, ?, ?, 'classification', ?) ON CONFLICT (customer_id, name) DO NOTHING",
            new_identifier("task_"), customer, name, new_hex_identifier("t_", 16), now)
      .run();
  Statement statement(database, "SELECT id FROM tasks WHERE customer_id = ? AND name = ?", customer,
                      name);
  statement.step();
  return statement.integer(0);
}

std::int64_t insert_job_row(Database& database, const std::string& id, const NewJob& job,
                            UnixTime now) {
  const std::string task_name = job.task_name.empty() ? default_task_name(id) : job.task_name;
  std::optional<std::int64_t> validation_file;
  if (job.validation_file) {
    validation_file = file_row(database, job.customer, *job.validation_file);
  }
  const auto idempotency_key =
      job.idempotency_key.empty() ? std::nullopt : std::optional(job.idempotency_key);
  Statement statement(
      database,
      "INSERT INTO jobs (public_id, customer_id, task_id, status, created_at, model, "
      "backbone_sha256, training_file_id, validation_file_id, suffix, seed, "
      "learning_rate_multiplier, has_metadata, idempotency_key) "
      "VALUES (?, ?, ?, 'validating_files', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
      "RETURNING id",
      id, job.customer, ensure_task(database, job.customer, task_name, now), now, job.model,
      job.backbone_sha256, file_row(database, job.customer, job.training_file), validation_file,
      job.suffix, job.seed, job.learning_rate_multiplier, !job.metadata.empty(), idempotency_key);
  statement.step();
  const std::int64_t row = statement.integer(0);
  statement.run();
  return row;
}

void insert_trial(Database& database, std::int64_t job_row, int number,
                  std::string_view specification) {
  Statement(database,
            "INSERT INTO trials (public_id, job_id, number, specification) VALUES (?, ?, ?, ?)",
            new_identifier("trial_"), job_row, number, specification)
      .run();
}

using MetadataPairs = std::vector<std::pair<std::string, std::string>>;

// The pair that the fewest of the customer's jobs have in front; counting stops where it is plenty.
MetadataPairs rarest_first(Database& database, CustomerId customer,
                           const std::map<std::string, std::string>& metadata) {
  MetadataPairs pairs(metadata.begin(), metadata.end());
  if (pairs.size() < 2) {
    return pairs;
  }
  std::size_t rarest = 0;
  std::int64_t fewest = plenty_of_jobs;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    Statement count(database,
                    "SELECT count(*) FROM (SELECT 1 FROM job_metadata "
                    "WHERE customer_id = ? AND key = ? AND value = ? LIMIT ?)",
                    customer, pairs[i].first, pairs[i].second, plenty_of_jobs);
    count.step();
    if (count.integer(0) < fewest) {
      rarest = i;
      fewest = count.integer(0);
    }
  }
  std::swap(pairs[0], pairs[rarest]);
  return pairs;
}

}  // namespace

std::string model_stem(const Job& job) {
  const bool named = job.task_name != default_task_name(job.id);
  return "ft:" + job.model + ":" + job.customer_name + ":" +
         job.suffix.value_or(named ? job.task_name : "") + ":";
}

std::optional<Job> find_idempotent(Database& database, const NewJob& job, UnixTime now) {
  if (job.idempotency_key.empty()) {
    return std::nullopt;
  }
  Statement earlier(database,
                    "SELECT " + job_columns + "FROM jobs j" + job_tables +
                        "WHERE j.customer_id = ? AND j.idempotency_key = ? AND j.created_at > ? "
                        "ORDER BY j.created_at DESC LIMIT 1",
                    job.customer, job.idempotency_key, now - idempotency_window);
  return read_one_job(database, earlier);
}

Job create_job(Database& database, const NewJob& job, UnixTime now) {
  if (job.trials.empty()) {
    throw StorageError("a job needs a trial", false);
  }
  Transaction transaction(database);
  if (auto found = find_idempotent(database, job, now)) {
    return *std::move(found);
  }
  const std::string id = new_identifier("ftjob-");
  const std::int64_t row = insert_job_row(database, id, job, now);
  for (const auto& [key, value] : job.metadata) {
    Statement(database,
              "INSERT INTO job_metadata (job_id, customer_id, key, value) VALUES (?, ?, ?, ?)", row,
              job.customer, key, value)
        .run();
  }
  for (std::size_t number = 0; number < job.trials.size(); ++number) {
    insert_trial(database, row, static_cast<int>(number), job.trials[number]);
  }
  insert_event(database, {.job_id = id, .message = "Created fine-tuning job: " + id}, now);
  Job made = find_job(database, job.customer, id).value();
  transaction.commit();
  return made;
}

bool is_twin(Database& database, const Job& job, const NewJob& wanted) {
  const bool same_task =
      job.task_name == (wanted.task_name.empty() ? default_task_name(job.id) : wanted.task_name);
  if (!same_task || job.training_file != wanted.training_file ||
      job.validation_file != wanted.validation_file || job.model != wanted.model ||
      (wanted.seed_given && job.seed != wanted.seed) || job.suffix != wanted.suffix ||
      job.metadata != wanted.metadata) {
    return false;
  }
  const std::vector<Trial> trials = list_trials(database, job.id);
  if (trials.size() != wanted.trials.size()) {
    return false;
  }
  for (std::size_t i = 0; i < trials.size(); ++i) {
    const std::string& stored = trials[i].specification;
    if (wanted.same_specification ? !wanted.same_specification(stored, wanted.trials[i])
                                  : stored != wanted.trials[i]) {
      return false;
    }
  }
  return true;
}

std::optional<Job> find_recent_twin(Database& database, const NewJob& job, UnixTime since) {
  Statement statement(database,
                      "SELECT " + job_columns + "FROM jobs j" + job_tables +
                          "WHERE j.training_file_id = "
                          "(SELECT id FROM files WHERE public_id = ? AND customer_id = ?) "
                          "AND j.customer_id = ? AND j.created_at >= ? "
                          "ORDER BY j.created_at DESC, j.id DESC",
                      job.training_file, job.customer, job.customer, since);
  while (auto candidate = read_one_job(database, statement)) {
    if (is_twin(database, *candidate, job)) {
      return candidate;
    }
  }
  return std::nullopt;
}

std::optional<Job> find_job(Database& database, CustomerId customer, std::string_view id) {
  Statement statement(database,
                      "SELECT " + job_columns + "FROM jobs j" + job_tables +
                          "WHERE j.public_id = ? AND j.customer_id = ?",
                      id, customer);
  return read_one_job(database, statement);
}

std::optional<Job> find_job_of_any_customer(Database& database, std::string_view id) {
  Statement statement(
      database, "SELECT " + job_columns + "FROM jobs j" + job_tables + "WHERE j.public_id = ?", id);
  return read_one_job(database, statement);
}

Page<Job> list_jobs(Database& database, CustomerId customer, const JobQuery& query) {
  if (query.without_metadata && !query.metadata.empty()) {
    return {};
  }
  // With a filter, the index of its rarest pair leads the way and the others are looked up.
  const auto pairs = rarest_first(database, customer, query.metadata);
  const bool filtered = !pairs.empty();
  std::string sql = "SELECT " + job_columns;
  sql += filtered ? "FROM job_metadata m CROSS JOIN jobs j ON j.id = m.job_id" : "FROM jobs j";
  sql += job_tables;
  sql += filtered ? "WHERE m.customer_id = ? AND m.key = ? AND m.value = ? "
                  : "WHERE j.customer_id = ? ";
  for (std::size_t i = 1; i < pairs.size(); ++i) {
    sql +=
        "AND EXISTS (SELECT 1 FROM job_metadata o WHERE o.job_id = j.id AND o.key = ? AND o.value "
        "= ?) ";
  }
  if (query.without_metadata) {
    sql += "AND j.has_metadata = 0 ";
  }
  if (query.task_id) {
    sql += "AND j.task_id = (SELECT id FROM tasks WHERE public_id = ?) ";
  }
  const std::string order = filtered ? "m.job_id" : "j.id";
  if (query.after) {
    sql += "AND " + order + " < (SELECT id FROM jobs WHERE public_id = ? AND customer_id = ?) ";
  }
  Statement statement(database, sql + "ORDER BY " + order + " DESC LIMIT ?", customer);
  for (const auto& [key, value] : pairs) {
    statement.bind(key);
    statement.bind(value);
  }
  if (query.task_id) {
    statement.bind(*query.task_id);
  }
  if (query.after) {
    statement.bind(*query.after);
    statement.bind(customer);
  }
  return read_page<Job>(statement, query.limit,
                        [&database](const Statement& row) { return read_job(database, row); });
}

std::vector<Job> list_validating_jobs(Database& database, int limit, std::string_view after) {
  std::string sql = "SELECT " + job_columns + "FROM jobs j" + job_tables +
                    "WHERE j.status = 'validating_files' AND j.finished_at IS NULL ";
  if (!after.empty()) {
    sql += "AND (j.created_at, j.id) > (SELECT created_at, id FROM jobs WHERE public_id = ?) ";
  }
  Statement statement(database, sql + "ORDER BY j.created_at, j.id LIMIT ?");
  if (!after.empty()) {
    statement.bind(after);
  }
  statement.bind(limit);
  std::vector<Job> jobs;
  while (auto job = read_one_job(database, statement)) {
    jobs.push_back(std::move(*job));
  }
  return jobs;
}

}  // namespace graft
