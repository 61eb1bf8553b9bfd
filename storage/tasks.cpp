// See tasks.h. An alias is the newest row of its name in alias_changes.
#include "storage/tasks.h"

#include "storage/statement.h"

namespace graft {
namespace {

// Numbers count from 1 without gaps, because versions are never deleted: the highest is their
// number.
const std::string task_columns =
    "SELECT t.public_id, t.customer_id, t.name, t.adapter_name, "
    "coalesce((SELECT kind FROM adapter_versions WHERE task_id = t.id ORDER BY number DESC LIMIT "
    "1), "
    "t.kind), t.created_at, "
    "(SELECT coalesce(max(number), 0) FROM adapter_versions WHERE task_id = t.id), "
    "(SELECT number FROM adapter_versions v WHERE task_id = t.id AND NOT EXISTS "
    "  (SELECT 1 FROM hidden_versions h WHERE h.version_id = v.id) ORDER BY number DESC LIMIT 1) ";

Task read_task(const Statement& statement) {
  Task task{.id = statement.text(0),
            .customer = statement.integer(1),
            .name = statement.text(2),
            .adapter_name = statement.text(3),
            .kind = statement.text(4),
            .created_at = statement.integer(5),
            .versions = static_cast<int>(statement.integer(6))};
  if (!statement.is_null(7)) {
    task.latest = static_cast<int>(statement.integer(7));
  }
  return task;
}

const std::string alias_columns =
    "SELECT t.public_id, a.name, v.number, a.changed_at FROM tasks t "
    "CROSS JOIN alias_changes a ON a.task_id = t.id "
    "CROSS JOIN adapter_versions v ON v.id = a.version_id "
    "WHERE t.public_id = ? AND t.customer_id = ? ";

Alias read_alias(const Statement& statement) {
  return {statement.text(0), statement.text(1), static_cast<int>(statement.integer(2)),
          statement.integer(3)};
}

}  // namespace

Page<Task> list_tasks(Database& database, CustomerId customer, const TaskQuery& query) {
  // A task is there to be used once something was learned for it.
  std::string sql = task_columns +
                    "FROM adapter_versions f CROSS JOIN tasks t ON t.id = f.task_id "
                    "WHERE f.customer_id = ? AND f.number = 1 ";
  if (query.after) {
    sql += "AND f.task_id < (SELECT id FROM tasks WHERE public_id = ? AND customer_id = ?) ";
  }
  Statement statement(database, sql + "ORDER BY f.task_id DESC LIMIT ?", customer);
  if (query.after) {
    statement.bind(*query.after);
    statement.bind(customer);
  }
  return read_page<Task>(statement, query.limit, read_task);
}

std::optional<Task> find_task(Database& database, CustomerId customer,
                              std::string_view name_or_id) {
  // The id first: a task from before may be named like the id of another.
  for (const char* member : {"t.public_id", "t.name"}) {
    Statement statement(
        database, task_columns + "FROM tasks t WHERE t.customer_id = ? AND " + member + " = ?",
        customer, name_or_id);
    if (statement.step()) {
      return read_task(statement);
    }
  }
  return std::nullopt;
}

bool set_alias(Database& database, const Task& task, std::string_view name, int version,
               UnixTime now) {
  return Statement(
             database,
             "INSERT INTO alias_changes (task_id, name, version_id, changed_at) "
             "SELECT t.id, ?, v.id, ? FROM tasks t CROSS JOIN adapter_versions v "
             "ON v.task_id = t.id WHERE t.public_id = ? AND t.customer_id = ? AND v.number = ?",
             name, now, task.id, task.customer, version)
             .run() > 0;
}

std::optional<Alias> find_alias(Database& database, const Task& task, std::string_view name) {
  Statement statement(database, alias_columns + "AND a.name = ? ORDER BY a.id DESC LIMIT 1",
                      task.id, task.customer, name);
  return statement.step() ? std::optional(read_alias(statement)) : std::nullopt;
}

std::vector<Alias> list_aliases(Database& database, const Task& task) {
  // From name to name by the index: however often they were moved, each is one step.
  std::vector<Alias> aliases;
  std::string name;  // the last one found; no alias is named by nothing
  while (aliases.size() < most_aliases) {
    Statement next(database,
                   alias_columns +
                       "AND a.name = (SELECT min(b.name) FROM alias_changes b "
                       "WHERE b.task_id = t.id AND b.name > ?) ORDER BY a.id DESC LIMIT 1",
                   task.id, task.customer, name);
    if (!next.step()) break;
    aliases.push_back(read_alias(next));
    name = aliases.back().name;
  }
  return aliases;
}

std::vector<Alias> alias_history(Database& database, const Task& task, std::string_view name) {
  Statement statement(database, alias_columns + "AND a.name = ? ORDER BY a.id DESC LIMIT ?",
                      task.id, task.customer, name, most_alias_changes);
  std::vector<Alias> aliases;
  while (statement.step()) {
    aliases.push_back(read_alias(statement));
  }
  return aliases;
}

}  // namespace graft
