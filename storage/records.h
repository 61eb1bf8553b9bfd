// Plain structs for what the database holds. Words as in docs/ARCHITECTURE.md, one word a thing.
// All times are unix seconds and come from the caller. Ids are opaque strings with the contract's
// prefixes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace graft {

using UnixTime = std::int64_t;
using CustomerId = std::int64_t;

// One page of a listing; `has_more` tells whether items follow after the last one.
template <class T>
struct Page {
  std::vector<T> items;
  bool has_more = false;
};

struct Customer {
  CustomerId id = 0;
  std::string name;  // unique, [a-z0-9][a-z0-9-]{0,62}
  UnixTime created_at = 0;
};

// The key itself is shown once, at creation; only its SHA-256 is stored.
struct ApiKey {
  std::string id;      // key_…
  std::string prefix;  // first characters of the key, for people
  CustomerId customer = 0;
  std::string customer_name;
  UnixTime created_at = 0;
  std::optional<UnixTime> revoked_at;
};

struct File {
  std::string id;  // file-…
  CustomerId customer = 0;
  std::string sha256;
  std::int64_t bytes = 0;
  std::string filename;
  std::string purpose;  // fine-tune, fine-tune-results, …
  UnixTime created_at = 0;
  std::optional<UnixTime> expires_at;
};

struct Task {
  std::string id;  // task_…
  CustomerId customer = 0;
  std::string name;          // the customer's word, unique with them
  std::string adapter_name;  // t_ and 16 hex digits: safe in every adapter file
  std::string kind;          // the newest version's; before there is one: classification
  UnixTime created_at = 0;
  int versions = 0;           // published so far, hidden ones included
  std::optional<int> latest;  // newest version that is not hidden
};

enum class JobStatus { validating_files, queued, running, paused, succeeded, failed, cancelled };
std::string_view to_string(JobStatus status);
bool is_final(JobStatus status);

struct JobError {
  std::string code;
  std::string message;
  std::string param;  // empty: none
};

// Where a running trial stands; written at every progress record.
struct JobProgress {
  std::int64_t step = 0, total_steps = 0;
  double tokens_per_second = 0;
};

struct Job {
  std::string id;  // ftjob-…
  CustomerId customer = 0;
  std::string customer_name;
  std::string task_id;
  std::string task_name;
  JobStatus status = JobStatus::validating_files;
  UnixTime created_at = 0;
  std::optional<UnixTime> started_at, finished_at, estimated_finish;
  std::string model;            // backbone name as asked for
  std::string backbone_sha256;  // identity of the backbone at submission
  std::string training_file;    // file id
  std::optional<std::string> validation_file;
  std::optional<std::string> suffix;
  std::int64_t seed = 0;
  double learning_rate_multiplier = 1;
  std::map<std::string, std::string> metadata;
  std::int64_t trained_tokens = 0;  // final once succeeded
  std::optional<std::string> fine_tuned_model;
  std::optional<int> version;          // number of the adapter version it made
  std::optional<std::string> metrics;  // of that version: LaneMetrics as JSON text
  std::vector<std::string> result_files;
  std::optional<JobError> error;
  JobProgress progress;
  int attempts = 0;  // runs started so far
};

enum class TrialStatus { queued, running, paused, succeeded, failed, cancelled };
std::string_view to_string(TrialStatus status);

// The unit of life: what is trained, one configuration of a job.
struct Trial {
  std::string id;  // trial_…
  std::string job_id;
  int number = 0;             // from 0 within the job
  std::string specification;  // a JSON object as text, which storage does not read into
  TrialStatus status = TrialStatus::queued;
  int attempts = 0;                              // runs begun
  int failures = 0;                              // of these, ended by its own fault
  UnixTime not_before = 0;                       // nothing is tried before
  std::optional<std::string> last_end;           // how its last run ended, for people
  std::optional<std::string> checkpoint_sha256;  // a blob: where its next run goes on from
  std::int64_t step = 0, trained_tokens = 0;     // reached so far
};

enum class EventLevel { info, warn, error };
std::string_view to_string(EventLevel level);

struct Event {
  std::string id;  // ftevent-…
  std::string job_id;
  UnixTime created_at = 0;
  EventLevel level = EventLevel::info;
  std::string type;  // message | metrics
  std::string message;
  std::string data;  // a JSON object as text; empty: null
};

struct Checkpoint {
  std::string id;  // ftckpt_…
  std::string job_id;
  std::string trial_id;
  UnixTime created_at = 0;
  std::int64_t step = 0;
  int epoch = 0;
  std::string metrics = "{}";       // a JSON object as text, which storage does not read into
  std::optional<std::string> file;  // file id of its bytes, where they are kept for the customer
};

// One point of the training curve: what the result file lists.
struct MetricPoint {
  std::int64_t step = 0;
  std::string metrics = "{}";  // as of a checkpoint
};

enum class RunStatus { launching, running, ended };

// One worker process (or the attempt to have one); lanes say which trials it trains.
struct Run {
  std::string id;  // run_…; also the name of its directory under runs/
  RunStatus status = RunStatus::launching;
  UnixTime launched_at = 0;
  std::optional<UnixTime> ended_at;
  std::int64_t records_offset = 0;     // bytes of records.jsonl already taken in
  std::optional<std::string> outcome;  // once ended, for people
};

struct RunLane {
  int lane = 0;
  Trial trial;
  Job job;  // as it is now
};

// Immutable, enforced by triggers.
struct AdapterVersion {
  std::string id;  // ver_…
  CustomerId customer = 0;
  std::string task_id, task_name;
  int number = 0;        // from 1 within the task
  std::string model_id;  // ft:{backbone}:{customer}:{suffix}:{8 characters}
  std::string job_id, trial_id;
  std::string backbone_name, backbone_sha256;
  std::string bundle_sha256;  // of adapter.zip in the blob store
  std::int64_t bundle_bytes = 0;
  std::vector<std::string> labels;  // in class-id order
  std::string metrics;              // LaneMetrics as JSON text
  UnixTime created_at = 0;
  bool hidden = false;  // deleted as a model; still there for those who hold its number
  std::string kind;     // of task
};

struct Alias {
  std::string task_id;
  std::string name;
  int version = 0;
  UnixTime changed_at = 0;
};

}  // namespace graft
