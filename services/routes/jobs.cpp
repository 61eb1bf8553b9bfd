// /v1/fine_tuning/jobs: create, list, get, cancel, events, checkpoints. Handlers: any thread;
// creation is one at a time, so that a client's retry finds the job its first try made.
#include <spdlog/spdlog.h>

#include <memory>
#include <mutex>

#include "services/routes/routes.h"
#include "services/wire/file_shape.h"
#include "services/wire/jobs.h"
#include "services/wire/names.h"
#include "storage/cursors.h"
#include "storage/events.h"
#include "storage/files.h"
#include "storage/jobs.h"
#include "storage/tasks.h"

namespace graft {

namespace {

// How long after its creation a job counts as what a retried request meant.
constexpr UnixTime twin_window_seconds = 600;
constexpr std::size_t longest_idempotency_key = 255;

// All that a job's object says.
JobWithConfig shown(const ServiceContext& context, Database& database, Job job) {
  auto trials = list_trials(database, job.id);
  if (trials.empty()) throw std::logic_error("job " + job.id + " has no trial");
  std::optional<Held> held;
  if (const auto machine = context.machine(); machine.paused && job.status == JobStatus::queued)
    held = Held{machine.code, machine.since};
  return {std::move(job), parse_specification(trials.front().specification), std::move(held)};
}

Job job_of(Database& database, const Request& request) {
  const std::string& id = request.path_members.at("job_id");
  auto job = find_job(database, request.customer.id, id);
  if (!job) throw HttpError(404, "No such job: " + id, "job_not_found", "fine_tuning_job_id");
  return std::move(*job);
}

void check_file(const ServiceContext& context, Database& database, CustomerId customer,
                const std::string& id, const std::string& param, const RowWish& wish) {
  const auto file = find_file(database, customer, id, context.now());
  if (!file)
    throw HttpError(400, param + ": there is no file '" + id + "'; upload it first.",
                    "file_not_found", param);
  if (file->purpose != "fine-tune")
    throw HttpError(400,
                    param + ": the purpose of '" + id + "' is '" + file->purpose +
                        "'; upload it with purpose 'fine-tune'.",
                    "invalid_" + param, param);
  check_file_shape(context.blobs.path(file->sha256), file->filename, param, wish);
}

// All that the customer chose; the seed may have been drawn for each request.
bool same_but_for_the_seed(std::string_view stored, std::string_view wanted) {
  Specification left = parse_specification(stored);
  const Specification right = parse_specification(wanted);
  left.seed = right.seed;
  return left == right;
}

NewJob new_job(const JobRequest& body, const Request& request) {
  NewJob job;
  job.customer = request.customer.id;
  job.task_name = body.task;
  job.model = body.backbone->name;
  job.backbone_sha256 = body.backbone->summary.sha256;
  job.training_file = body.training_file;
  job.validation_file = body.validation_file;
  job.suffix = body.suffix;
  job.seed = static_cast<std::int64_t>(body.config.seed);
  job.seed_given = body.seed_given;
  job.learning_rate_multiplier = body.learning_rate_multiplier;
  job.metadata = body.metadata;
  job.trials = {write_specification(body.config)};
  job.same_specification = same_but_for_the_seed;
  return job;
}

// A client that saw no answer sends its creation again and says so in this header, without an
// idempotency key.
bool is_retry(const Request& request) {
  const auto count = request.header("x-stainless-retry-count");
  return count && !count->empty() && *count != "0";
}

std::string idempotency_key(const Request& request) {
  std::string key = request.header("idempotency-key").value_or("");
  if (key.size() > longest_idempotency_key)
    throw HttpError(400, "The header Idempotency-Key may have 255 characters at most.",
                    "invalid_value", "Idempotency-Key");
  return key;
}

// One space of names and ids: a name that reads as an id could answer for another task. Tasks that
// have such a name from before keep it.
void check_task_name(Database& database, CustomerId customer, const std::string& name) {
  if (!looks_like_id(name)) return;
  const auto task = find_task(database, customer, name);
  if (task && task->name == name) return;
  throw HttpError(400,
                  task ? "task: '" + name + "' is the id of task '" + task->name +
                             "'; give its name, or a new one."
                       : "task: '" + name +
                             "' reads as an id of this service; choose a name that does not begin "
                             "with task_, ver_, trial_, run_, file-, ftjob-, ftevent- or ftckpt-.",
                  "reserved_name", "task");
}

// What was made with the request's Idempotency-Key; HttpError 400 where that was another body.
Response answer_again(const ServiceContext& context, Database& database, Job made,
                      const NewJob& wanted) {
  if (!is_twin(database, made, wanted))
    throw HttpError(400,
                    "The Idempotency-Key was used for job " + made.id +
                        ", which was asked for with another body. Use a new key.",
                    "idempotency_key_reused", "Idempotency-Key");
  return json_response(write_job(shown(context, database, std::move(made))));
}

Response create(const ServiceContext& context, std::mutex& creating, const Request& request) {
  const JobRequest body = parse_job_request(request.body, context.backbones);
  NewJob wanted = new_job(body, request);
  wanted.idempotency_key = idempotency_key(request);
  auto database = context.databases.checkout();

  const auto made_before = [&]() -> std::optional<Response> {
    if (auto made = find_idempotent(*database, wanted, context.now()))
      return answer_again(context, *database, *std::move(made), wanted);
    if (!is_retry(request) || !wanted.idempotency_key.empty()) return std::nullopt;
    const UnixTime since = context.now() - twin_window_seconds;
    auto twin = find_recent_twin(*database, wanted, since);
    if (!twin) return std::nullopt;
    return json_response(write_job(shown(context, *database, std::move(*twin))));
  };
  // First of all: what became of its files since is no matter of a repeated request.
  if (auto answer = made_before()) return *std::move(answer);
  check_task_name(*database, wanted.customer, wanted.task_name);
  const RowWish wish{body.config.task_kind, body.config.columns};
  check_file(context, *database, wanted.customer, wanted.training_file, "training_file", wish);
  if (wanted.validation_file)
    check_file(context, *database, wanted.customer, *wanted.validation_file, "validation_file",
               wish);
  // Files were looked at before: nobody waits here for another's.
  const std::lock_guard lock(creating);
  if (auto answer = made_before()) return *std::move(answer);
  Job made = create_job(*database, wanted, context.now());
  context.poke_scheduler();
  return json_response(write_job(shown(context, *database, std::move(made))));
}

// metadata[key]=value filters, metadata=null asks for jobs without any.
void read_metadata_filter(const Request& request, JobQuery& query) {
  constexpr std::string_view prefix = "metadata[";
  for (const auto& [name, value] : request.query) {
    if (name == "metadata") {
      if (value != "null")
        throw HttpError(400, "metadata: filter with metadata[KEY]=VALUE, or metadata=null.",
                        "invalid_value", "metadata");
      query.without_metadata = true;
    } else if (name.starts_with(prefix) && name.ends_with("]")) {
      query.metadata[name.substr(prefix.size(), name.size() - prefix.size() - 1)] = value;
    }
  }
}

Response list(const ServiceContext& context, const Request& request) {
  JobQuery query;
  query.limit = query_integer(request, "limit", query.limit, 1, 100);
  read_metadata_filter(request, query);
  auto database = context.databases.checkout();
  query.after = query_cursor(request, [&](const std::string& id) {
    return is_cursor(*database, CustomerListing::jobs, request.customer.id, id);
  });
  if (const auto name = query_text(request, "task")) {
    const auto task = find_task(*database, request.customer.id, *name);
    if (!task) return json_response(write_job_list({}, false));
    query.task_id = task->id;
  }
  auto page = list_jobs(*database, request.customer.id, query);
  std::vector<JobWithConfig> jobs;
  for (auto& job : page.items) jobs.push_back(shown(context, *database, std::move(job)));
  return json_response(write_job_list(jobs, page.has_more));
}

Response get(const ServiceContext& context, const Request& request) {
  auto database = context.databases.checkout();
  return json_response(write_job(shown(context, *database, job_of(*database, request))));
}

Response cancel(const ServiceContext& context, const Request& request) {
  auto database = context.databases.checkout();
  const Job job = job_of(*database, request);
  const auto outcome = context.reserve.spend_on(
      [&] { return cancel_job(*database, request.customer.id, job.id, context.now()); });
  Job after = job_of(*database, request);
  if (outcome != CancelOutcome::cancelled)
    // Not 409: the client would take that for "try again".
    throw HttpError(400,
                    "Job " + job.id + " is already " + std::string(to_string(after.status)) +
                        " and cannot be cancelled.",
                    "job_already_final");
  spdlog::info("job {} cancelled", job.id);
  context.poke_scheduler();
  return json_response(write_job(shown(context, *database, std::move(after))));
}

// Not 409, which clients take for "try again"; asking twice is no mistake.
Response change_pause(const ServiceContext& context, const Request& request, bool pause) {
  auto database = context.databases.checkout();
  const Job job = job_of(*database, request);
  const auto outcome =
      (pause ? pause_job : resume_job)(*database, request.customer.id, job.id, context.now());
  const Job after = job_of(*database, request);
  if (outcome == PauseOutcome::not_possible) {
    const std::string status(to_string(after.status));
    if (is_final(after.status))
      throw HttpError(400, "Job " + job.id + " is already " + status + ".", "job_already_final");
    throw HttpError(400,
                    "Job " + job.id + " is " + status + ": it can be paused once it is queued.",
                    "job_not_queued");
  }
  if (outcome == PauseOutcome::changed) {
    spdlog::info("job {} {}", job.id, pause ? "paused" : "resumed");
    context.poke_scheduler();
  }
  return json_response(write_job(shown(context, *database, after)));
}

Response events(const ServiceContext& context, const Request& request) {
  EventQuery query;
  query.limit = query_integer(request, "limit", query.limit, 1, 1000);
  auto database = context.databases.checkout();
  const Job job = job_of(*database, request);
  query.after = query_cursor(request, [&](const std::string& id) {
    return event_number(*database, job.id, id).has_value();
  });
  return json_response(write_event_list(list_events(*database, job.id, query)));
}

Response checkpoints(const ServiceContext& context, const Request& request) {
  CheckpointQuery query;
  query.now = context.now();
  query.limit = query_integer(request, "limit", query.limit, 1, 100);
  auto database = context.databases.checkout();
  const Job job = job_of(*database, request);
  query.after = query_cursor(request, [&](const std::string& id) {
    return is_cursor(*database, InnerListing::checkpoints, job.id, id);
  });
  return json_response(write_checkpoint_list(list_checkpoints(*database, job.id, query), job));
}

}  // namespace

void add_job_routes(Router& router, const ServiceContext& context) {
  const std::string jobs = "/v1/fine_tuning/jobs", job = jobs + "/{job_id}";
  const auto creating = std::make_shared<std::mutex>();
  router.add("POST", jobs,
             [&context, creating](const Request& r) { return create(context, *creating, r); });
  router.add("GET", jobs, [&context](const Request& r) { return list(context, r); })
      .takes({"limit", "after", "task", "metadata", "metadata[]"});
  router.add("GET", job, [&context](const Request& r) { return get(context, r); });
  router.add("POST", job + "/cancel", [&context](const Request& r) { return cancel(context, r); });
  router.add("POST", job + "/pause",
             [&context](const Request& r) { return change_pause(context, r, true); });
  router.add("POST", job + "/resume",
             [&context](const Request& r) { return change_pause(context, r, false); });
  router.add("GET", job + "/events", [&context](const Request& r) { return events(context, r); })
      .takes({"limit", "after"});
  router
      .add("GET", job + "/checkpoints",
           [&context](const Request& r) { return checkpoints(context, r); })
      .takes({"limit", "after"});
}

}  // namespace graft
