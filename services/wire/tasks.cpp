#include "services/wire/tasks.h"

#include <limits>

#include "services/wire/measured.h"
#include "trainer/contract/metrics.h"

namespace graft {

namespace {

Json task_object(const TaskWithAliases& with) {
  Json aliases = Json::object();
  for (const auto& alias : with.aliases) aliases[alias.name] = alias.version;
  const Task& task = with.task;
  return {{"id", task.id},
          {"object", "graft.task"},
          {"name", task.name},
          {"kind", task.kind},
          {"created_at", task.created_at},
          {"versions", task.versions},
          {"latest_version", json_or_null(task.latest)},
          {"aliases", std::move(aliases)}};
}

Json version_object(const AdapterVersion& version, const DownloadLink& link) {
  return {{"id", version.id},
          {"object", "graft.adapter_version"},
          {"task", version.task_name},
          {"version", version.number},
          {"model", version.model_id},
          {"job_id", version.job_id},
          {"backbone", version.backbone_name},
          {"backbone_sha256", version.backbone_sha256},
          {"created_at", version.created_at},
          {"task_kind", version.kind},
          {"labels", version.labels},
          {"primary_metric", primary_metric_of(measured_numbers(version.metrics))},
          {"metrics", measured_numbers(version.metrics)},
          {"adapter_sha256", version.bundle_sha256},
          {"bytes", version.bundle_bytes},
          {"hidden", version.hidden},
          {"download_url", link.url},
          {"expires_at", link.expires_at}};
}

void put(Json& object, const std::string& metrics) {
  const Metrics numbers = parse_metrics_text(metrics);
  for (const Metric& row : metric_table())
    if (const auto number = numbers.get(row.name)) object[std::string(row.name)] = *number;
}

Json point_object(const MetricPoint& point) {
  Json object = {{"step", point.step}};
  put(object, point.metrics);
  return object;
}

Json epoch_object(const Checkpoint& epoch) {
  Json object = {{"epoch", epoch.epoch}, {"step", epoch.step}};
  put(object, epoch.metrics);
  return object;
}

}  // namespace

std::string write_task(const TaskWithAliases& task) {
  return dump(task_object(task));
}

std::string write_task_list(const std::vector<TaskWithAliases>& tasks, bool has_more) {
  Json items = Json::array();
  for (const auto& task : tasks) items.push_back(task_object(task));
  return dump(list_of(std::move(items), has_more));
}

std::string write_version(const AdapterVersion& version, const DownloadLink& link) {
  return dump(version_object(version, link));
}

std::string write_version_list(const std::vector<std::pair<AdapterVersion, DownloadLink>>& versions,
                               bool has_more) {
  Json items = Json::array();
  for (const auto& [version, link] : versions) items.push_back(version_object(version, link));
  return dump(list_of(std::move(items), has_more));
}

std::string write_report(const AdapterVersion& version, const std::optional<std::string>& report) {
  Json object = {{"object", "graft.report"},
                 {"task", version.task_name},
                 {"version", version.number},
                 {"task_kind", version.kind},
                 {"primary_metric", primary_metric_of(measured_numbers(version.metrics))}};
  const Json known = report ? Json::parse(*report, nullptr, false) : Json();
  for (const char* member : {"rows", "labels", "confusion", "threshold", "baseline"})
    object[member] = known.is_object() && known.contains(member) ? known[member] : Json(nullptr);
  return dump(object);
}

std::string write_metrics(const AdapterVersion& version, const std::vector<MetricPoint>& points,
                          const std::vector<Checkpoint>& epochs) {
  Json point_items = Json::array(), epoch_items = Json::array();
  for (const auto& point : points) point_items.push_back(point_object(point));
  for (const auto& epoch : epochs) epoch_items.push_back(epoch_object(epoch));
  return dump({{"object", "graft.metrics"},
               {"task", version.task_name},
               {"version", version.number},
               {"final", measured_numbers(version.metrics)},
               {"points", std::move(point_items)},
               {"epochs", std::move(epoch_items)}});
}

int parse_alias_request(std::string_view body) {
  const Json object = parse_object(body);
  std::vector<FieldError> errors;
  JsonFields fields(object, "", errors);
  if (!fields.find("version"))
    fields.add_error("version", "is required: the number of a version of the task.",
                     "missing_required_parameter");
  constexpr double most = std::numeric_limits<int>::max();
  const auto version = fields.integer("version", {1, most});
  fields.finish();
  refuse_field_errors(errors);
  return static_cast<int>(*version);
}

std::string write_alias(const Task& task, const Alias& alias, const std::vector<Alias>& history) {
  Json items = Json::array();
  for (const auto& entry : history)
    items.push_back({{"version", entry.version}, {"changed_at", entry.changed_at}});
  return dump({{"object", "graft.alias"},
               {"task", task.name},
               {"name", alias.name},
               {"version", alias.version},
               {"changed_at", alias.changed_at},
               {"history", std::move(items)}});
}

}  // namespace graft
