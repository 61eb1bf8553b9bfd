// Publishing of versions; see the header.
#include "scheduler/publishing.h"

#include <charconv>
#include <cmath>
#include <optional>
#include <system_error>

#include "scheduler/checkpoint_keeping.h"
#include "storage/adapters.h"
#include "storage/jobs.h"
#include "trainer/durable/sha256.h"

namespace graft {
namespace {

namespace fs = std::filesystem;

void append_number(std::string& text, std::optional<double> value) {
  if (!value || !std::isfinite(*value)) return;
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, *value).ptr;
  text.append(digits, end);
}

std::optional<Blob> take_bundle(const BlobStore& blobs, const LaneFinished& finished,
                                const RunDirectory& directory) {
  const std::optional<fs::path> bundle = directory.file(finished.bundle);
  if (!bundle) return std::nullopt;
  std::error_code error;
  if (fs::is_regular_file(fs::symlink_status(*bundle, error))) {
    if (sha256_of_file(*bundle) != finished.bundle_sha256) return std::nullopt;
    return blobs.adopt(name_to_move(*bundle), finished.bundle_sha256);
  }
  // Moved in before a crash, where no second name could be made.
  if (finished.bundle_sha256.size() != 64 || !blobs.verify(finished.bundle_sha256)) {
    return std::nullopt;
  }
  const auto bytes = fs::file_size(blobs.path(finished.bundle_sha256), error);
  if (error) return std::nullopt;
  return Blob{finished.bundle_sha256, static_cast<std::int64_t>(bytes)};
}

}  // namespace

std::string write_result_csv(const std::vector<MetricPoint>& points, TaskKind kind) {
  // The contract's columns are a classification's; other kinds have theirs behind them.
  std::vector<std::pair<std::string_view, std::string_view>> columns;  // name, metric
  for (const Metric& row : metric_table())
    if (!row.column.empty()) columns.emplace_back(row.column, row.name);
  if (kind != TaskKind::classification)
    for (const std::string_view name : metrics_of(kind)) columns.emplace_back(name, name);
  std::string csv = "step";
  for (const auto& [column, name] : columns) csv += "," + std::string(column);
  csv += '\n';
  for (const MetricPoint& point : points) {
    csv += std::to_string(point.step);
    const Metrics metrics = parse_metrics_text(point.metrics);
    for (const auto& [column, name] : columns) {
      csv += ',';
      append_number(csv, metrics.get(name));
    }
    csv += '\n';
  }
  return csv;
}

PublishOutcome publish_lane(Database& database, const BlobStore& blobs, const RunLane& lane,
                            const LaneFinished& finished, const RunDirectory& directory,
                            UnixTime now) {
  // A trial that was paused while its worker came to the end has its result all the same.
  const TrialStatus status = lane.trial.status;
  if (status == TrialStatus::succeeded || status == TrialStatus::failed ||
      status == TrialStatus::cancelled)
    return PublishOutcome::not_running;
  const std::optional<Blob> bundle = take_bundle(blobs, finished, directory);
  if (!bundle) return PublishOutcome::bad_bundle;

  NewAdapterVersion version;
  version.job_id = lane.job.id;
  version.trial_id = lane.trial.id;
  version.backbone_sha256 = finished.backbone_sha256;
  version.bundle = *bundle;
  version.kind = to_string(finished.metrics.task_kind);
  version.labels = finished.labels;
  if (finished.report) version.report = write_task_report(*finished.report);
  version.metrics = write_lane_metrics(finished.metrics);
  version.trained_tokens = finished.metrics.trained_tokens;
  version.result_file = blobs.put(
      write_result_csv(list_metric_points(database, lane.job.id), finished.metrics.task_kind));
  return publish_version(database, version, now) ? PublishOutcome::published
                                                 : PublishOutcome::not_running;
}

}  // namespace graft
