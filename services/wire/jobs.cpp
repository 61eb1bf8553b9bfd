#include "services/wire/jobs.h"

#include "services/wire/hyperparameters.h"
#include "services/wire/jobs_adapter.h"
#include "services/wire/json.h"
#include "services/wire/measured.h"
#include "storage/jobs.h"
#include "trainer/contract/metrics.h"

namespace graft {

namespace {

// "auto" never comes back: the numbers are resolved at submission.
Json hyperparameters_of(const JobWithConfig& job) {
  Json object = Json::object();
  write_hyperparameters_at(Hyperparameter::Place::hyperparameters, job.config, object);
  object["learning_rate_multiplier"] = job.job.learning_rate_multiplier;
  return object;
}

Json error_of(const Job& job) {
  if (!job.error) return nullptr;
  return {{"code", job.error->code},
          {"message", job.error->message},
          {"param", job.error->param.empty() ? Json(nullptr) : Json(job.error->param)}};
}

Json progress_of(const Job& job) {
  return {{"step", job.progress.step},
          {"total_steps", job.progress.total_steps},
          {"tokens_per_second", job.progress.tokens_per_second},
          {"trained_tokens", job.trained_tokens}};
}

Json held_of(const JobWithConfig& with) {
  if (!with.held) return nullptr;
  return {{"code", with.held->code}, {"since", with.held->since}};
}

// What came of it; null until it has succeeded. The version's report has more.
Json result_of(const Job& job) {
  if (!job.version || !job.metrics) return nullptr;
  const Json numbers = measured_numbers(*job.metrics);
  Json metrics = Json::object();
  for (const Metric& row : metric_table())
    if (const auto found = numbers.find(std::string(row.name)); found != numbers.end())
      metrics[std::string(row.name)] = *found;
  return {{"version", *job.version},
          {"task_kind", numbers.value("task_kind", "classification")},
          {"primary_metric", primary_metric_of(numbers)},
          {"best_epoch", numbers.value("best_epoch", 0)},
          {"metrics", std::move(metrics)}};
}

Json job_object(const JobWithConfig& with) {
  const Job& job = with.job;
  const Json hyperparameters = hyperparameters_of(with);
  Json object = {
      {"id", job.id},
      {"object", "fine_tuning.job"},
      {"created_at", job.created_at},
      {"started_at", json_or_null(job.started_at)},
      {"finished_at", json_or_null(job.finished_at)},
      {"estimated_finish", json_or_null(job.estimated_finish)},
      {"model", job.model},
      {"fine_tuned_model", json_or_null(job.fine_tuned_model)},
      {"organization_id", job.customer_name},
      {"status", std::string(to_string(job.status))},
      {"training_file", job.training_file},
      {"validation_file", json_or_null(job.validation_file)},
      {"result_files", job.result_files},
      {"hyperparameters", hyperparameters},
      {"method", {{"type", "supervised"}, {"supervised", {{"hyperparameters", hyperparameters}}}}},
      {"trained_tokens",
       job.status == JobStatus::succeeded ? Json(job.trained_tokens) : Json(nullptr)},
      {"seed", job.seed},
      {"error", error_of(job)},
      {"metadata", job.metadata.empty() ? Json(nullptr) : Json(job.metadata)},
      {"integrations", Json::array()},
      {"user_provided_suffix", json_or_null(job.suffix)},
      {"task", job.task_name},
      {"version", json_or_null(job.version)},
      {"result", result_of(job)},
      {"progress", progress_of(job)},
      {"held", held_of(with)},
      {"attempts", job.attempts},
      {"adapter", write_adapter(with.config)}};
  write_hyperparameters_at(Hyperparameter::Place::body, with.config, object);
  object["backbone_sha256"] = job.backbone_sha256;
  return object;
}

Json event_object(const Event& event) {
  // Stored by us as an object's text; anything else is shown as absent.
  Json data = Json::parse(event.data, nullptr, false);
  if (!data.is_object()) data = nullptr;
  return {{"id", event.id},
          {"object", "fine_tuning.job.event"},
          {"created_at", event.created_at},
          {"level", std::string(to_string(event.level))},
          {"message", event.message},
          {"type", event.type},
          {"data", std::move(data)}};
}

// By the contract's names; what was not measured is absent.
Json contract_metrics(const Checkpoint& checkpoint) {
  const Metrics metrics = parse_metrics_text(checkpoint.metrics);
  Json object = {{"step", checkpoint.step}};
  for (const Metric& row : metric_table())
    for (const std::string_view name : {row.checkpoint_name, row.full_checkpoint_name})
      if (const auto number = metrics.get(row.name); number && !name.empty())
        object[std::string(name)] = *number;
  return object;
}

Json checkpoint_object(const Checkpoint& checkpoint, const Job& job) {
  // Only the best epoch is kept, as the version; the others have a name to be told apart by.
  const std::string model = job.fine_tuned_model.value_or(
      model_stem(job) + job.id.substr(job.id.size() > 8 ? job.id.size() - 8 : 0));
  return {{"id", checkpoint.id},
          {"object", "fine_tuning.job.checkpoint"},
          {"created_at", checkpoint.created_at},
          {"fine_tuned_model_checkpoint", model + ":ckpt-step-" + std::to_string(checkpoint.step)},
          {"fine_tuning_job_id", checkpoint.job_id},
          {"step_number", checkpoint.step},
          {"epoch", checkpoint.epoch},
          {"metrics", contract_metrics(checkpoint)},
          {"file", json_or_null(checkpoint.file)}};
}

}  // namespace

std::string write_job(const JobWithConfig& job) {
  return dump(job_object(job));
}

std::string write_job_list(const std::vector<JobWithConfig>& jobs, bool has_more) {
  Json items = Json::array();
  for (const auto& job : jobs) items.push_back(job_object(job));
  return dump(list_of(std::move(items), has_more));
}

std::string write_event_list(const Page<Event>& page) {
  Json items = Json::array();
  for (const auto& event : page.items) items.push_back(event_object(event));
  return dump(list_of(std::move(items), page.has_more));
}

std::string write_checkpoint_list(const Page<Checkpoint>& page, const Job& job) {
  Json items = Json::array();
  for (const auto& checkpoint : page.items) items.push_back(checkpoint_object(checkpoint, job));
  return dump(list_of(std::move(items), page.has_more));
}

}  // namespace graft
