// Tasks, their aliases and the aliases' history. Every query names its customer.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/database.h"
#include "storage/records.h"

namespace graft {

struct TaskQuery {
  std::optional<std::string> after;  // task id
  int limit = 100;
};
Page<Task> list_tasks(Database& database, CustomerId customer,
                      const TaskQuery& query);  // newest first
// By name or by id.
std::optional<Task> find_task(Database& database, CustomerId customer, std::string_view name_or_id);

// Points `name` at a version of the task and adds to its history. False: no such version.
bool set_alias(Database& database, const Task& task, std::string_view name, int version,
               UnixTime now);
std::optional<Alias> find_alias(Database& database, const Task& task, std::string_view name);
// By name, at most so many: a task is given no more.
inline constexpr std::size_t most_aliases = 100;
std::vector<Alias> list_aliases(Database& database, const Task& task);
// Newest first, the last so many.
inline constexpr int most_alias_changes = 100;
std::vector<Alias> alias_history(Database& database, const Task& task, std::string_view name);

}  // namespace graft
