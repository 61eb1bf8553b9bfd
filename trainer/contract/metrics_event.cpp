// JSON of metrics events. No state: any thread may call.
#include "trainer/contract/metrics_event.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace graft {
namespace {

using Json = nlohmann::ordered_json;

Json number(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

void put(Json& object, const char* name, const std::optional<double>& value) {
  if (value) object[name] = number(*value);
}

void put(Json& object, const Metrics& metrics, Metric::Split split) {
  for (const Metric& row : metric_table())
    if (row.split == split) put(object, row.name.data(), metrics.get(row.name));
}

}  // namespace

std::string write_metrics_event_data(const MetricsEventData& data) {
  Json object = Json::object();
  object["step"] = data.step;
  if (data.total_steps) object["total_steps"] = *data.total_steps;
  object["epoch"] = data.epoch;
  put(object, data.metrics, Metric::Split::training);
  put(object, "learning_rate", data.learning_rate);
  put(object, "tokens_per_second", data.tokens_per_second);
  put(object, "eta_seconds", data.eta_seconds);
  put(object, "utilization", data.utilization);
  put(object, data.metrics, Metric::Split::validation);
  return object.dump();
}

}  // namespace graft
