// Jobs with their trials, checkpoints and metric points. A job's status changes here and, with a
// version's publishing, in adapters.h; docs/job_lifecycle.md shows the arrows. Functions named for
// customers filter by customer; those under "scheduler" see all. Each function is one transaction
// of its own unless it says otherwise.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/database.h"
#include "storage/records.h"

namespace graft {

struct NewJob {
  CustomerId customer = 0;
  std::string task_name;  // empty: "task-" and the last 8 characters of the job id
  std::string model;
  std::string backbone_sha256;
  std::string training_file;
  std::optional<std::string> validation_file;
  std::optional<std::string> suffix;
  std::int64_t seed = 0;
  bool seed_given = true;  // false: drawn for this request, so a twin's may differ
  double learning_rate_multiplier = 1;
  std::map<std::string, std::string> metadata;
  std::vector<std::string> trials;  // specifications, each a JSON object as text
  std::string idempotency_key;      // empty: none
  // Whether a stored specification asks for the same as a wanted one. null: equal texts do.
  bool (*same_specification)(std::string_view stored, std::string_view wanted) = nullptr;
};

// One transaction: task where new, job (validating_files), trials, metadata, first event
// ("Created fine-tuning job: …"). With an idempotency key seen in the last day from this customer,
// the job made then. Throws StorageError for files that are not the customer's and for no trials.
Job create_job(Database& database, const NewJob& job, UnixTime now);

// The job that this customer made with the key of `job` in the last day.
std::optional<Job> find_idempotent(Database& database, const NewJob& job, UnixTime now);

// How the names of its models begin: "ft:MODEL:CUSTOMER:NAME:", NAME being the suffix, else the
// task that was named, else nothing.
std::string model_stem(const Job& job);

// The newest job equal in files, model, seed, suffix and task, made at or after `since`: what a
// client's retry of a create that did reach us would make twice.
std::optional<Job> find_recent_twin(Database& database, const NewJob& job, UnixTime since);

// Whether `job` is what `wanted` asks for: that rule, for any job of the same customer.
bool is_twin(Database& database, const Job& job, const NewJob& wanted);

std::optional<Job> find_job(Database& database, CustomerId customer, std::string_view id);

struct JobQuery {
  std::optional<std::string> after;
  int limit = 20;
  std::map<std::string, std::string> metadata;  // all must match
  bool without_metadata = false;                // metadata=null
  std::optional<std::string> task_id;
};
Page<Job> list_jobs(Database& database, CustomerId customer,
                    const JobQuery& query);  // newest first

enum class CancelOutcome { cancelled, already_final, not_found };
// At once final, whatever a worker still does: the scheduler stops runs of jobs that are not
// running.
CancelOutcome cancel_job(Database& database, CustomerId customer, std::string_view id,
                         UnixTime now);

enum class PauseOutcome { changed, unchanged, not_possible, not_found };
// queued or running → paused: at once for the customer; the scheduler stops the run, which leaves a
// checkpoint. unchanged: it was paused already; not_possible: it has ended or is not checked yet.
PauseOutcome pause_job(Database& database, CustomerId customer, std::string_view id, UnixTime now);
// paused → queued. unchanged: it was not paused.
PauseOutcome resume_job(Database& database, CustomerId customer, std::string_view id, UnixTime now);

std::vector<Trial> list_trials(Database& database, std::string_view job_id);

struct CheckpointQuery {
  std::optional<std::string> after;
  int limit = 10;
  UnixTime now = 0;  // files that have expired by then are not told
};
Page<Checkpoint> list_checkpoints(Database& database, std::string_view job_id,
                                  const CheckpointQuery& query);  // newest first
std::vector<MetricPoint> list_metric_points(Database& database,
                                            std::string_view job_id);  // by step

// ---- scheduler ----

// Oldest first, at most `limit`; after the job of that id, or from the beginning (empty).
std::vector<Job> list_validating_jobs(Database& database, int limit, std::string_view after = {});
// validating_files → queued, with its event. False: no longer validating.
bool enqueue_job(Database& database, std::string_view job_id, UnixTime now);
// Any state that is not final → failed, with an error event. False: already final.
bool fail_job(Database& database, std::string_view job_id, const JobError& error, UnixTime now);

// Why a trial goes back to the queue.
struct TrialReturn {
  std::string reason;         // for people: how its run ended and what follows; empty: not told
  UnixTime not_before = 0;    // nothing is tried before; at most longest_back_off away
  bool its_own_fault = true;  // counts as a failure
  bool never_began = false;   // the attempt is taken back
};
inline constexpr UnixTime longest_back_off = 600;  // seconds

// running → queued again, keeping its place in the queue, with a warn event. False: not running.
bool requeue_trial(Database& database, std::string_view trial_id, const TrialReturn& why,
                   UnixTime now);
// Not yet final → failed, with an event; the job fails where it was its last. False: already final.
bool fail_trial(Database& database, std::string_view trial_id, const JobError& error, UnixTime now);
// Where the trial's next run goes on from, or what its customer gets of it
// (storage/last_checkpoints.h). One that has succeeded has its version: nothing is changed.
void keep_trial_checkpoint(Database& database, std::string_view trial_id, std::string_view sha256,
                           std::int64_t step);
// What a job's trials make of it: running before queued before paused; once all are final, the best
// that any of them came to.
JobStatus derive_status(const std::vector<TrialStatus>& trials);

std::optional<Job> find_job_of_any_customer(Database& database, std::string_view id);

// The following are called inside a Transaction of the caller (record taking: rows and offset
// together).
void update_progress(Database& database, std::string_view trial_id, const JobProgress& progress,
                     std::int64_t trained_tokens, std::optional<UnixTime> estimated_finish);
void insert_metric_point(Database& database, std::string_view trial_id, const MetricPoint& point);
// Its id is made here. Of a step that is told already the newer numbers and file count; none of
// either change nothing.
void insert_checkpoint(Database& database, const Checkpoint& checkpoint,
                       const std::optional<std::string>& file_id = std::nullopt);

}  // namespace graft
