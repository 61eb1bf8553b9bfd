// Tasks, adapter versions, aliases and training metrics on the wire. No state: any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/records.h"

namespace graft {

struct TaskWithAliases {
  Task task;
  std::vector<Alias> aliases;
};
std::string write_task(const TaskWithAliases& task);
std::string write_task_list(const std::vector<TaskWithAliases>& tasks, bool has_more);

// A link that needs no key until it expires.
struct DownloadLink {
  std::string url;  // absolute path with query
  UnixTime expires_at = 0;
};
std::string write_version(const AdapterVersion& version, const DownloadLink& link);
std::string write_version_list(const std::vector<std::pair<AdapterVersion, DownloadLink>>& versions,
                               bool has_more);

// report: as it was published; nullopt: there is none, and all of it is null.
std::string write_report(const AdapterVersion& version, const std::optional<std::string>& report);

std::string write_metrics(const AdapterVersion& version, const std::vector<MetricPoint>& points,
                          const std::vector<Checkpoint>& epochs);

// {"version": n}. HttpError 400 for anything else.
int parse_alias_request(std::string_view body);
// `history`: newest first.
std::string write_alias(const Task& task, const Alias& alias, const std::vector<Alias>& history);

}  // namespace graft
