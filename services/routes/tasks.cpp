// /v1/tasks: a customer's tasks and their aliases. Versions and downloads: adapters.cpp. Any
// thread.
#include "services/wire/tasks.h"

#include "services/routes/routes.h"
#include "services/wire/names.h"
#include "storage/cursors.h"
#include "storage/tasks.h"

namespace graft {

namespace {

TaskWithAliases with_aliases(Database& database, Task task) {
  auto aliases = list_aliases(database, task);
  return {std::move(task), std::move(aliases)};
}

Response list(const ServiceContext& context, const Request& request) {
  TaskQuery query;
  query.limit = query_integer(request, "limit", query.limit, 1, 1000);
  auto database = context.databases.checkout();
  query.after = query_cursor(request, [&](const std::string& id) {
    return is_cursor(*database, CustomerListing::tasks, request.customer.id, id);
  });
  auto page = list_tasks(*database, request.customer.id, query);
  std::vector<TaskWithAliases> tasks;
  for (auto& task : page.items) tasks.push_back(with_aliases(*database, std::move(task)));
  return json_response(write_task_list(tasks, page.has_more));
}

Response get(const ServiceContext& context, const Request& request) {
  auto database = context.databases.checkout();
  return json_response(write_task(with_aliases(*database, task_of(*database, request))));
}

Response alias_answer(Database& database, const Task& task, const std::string& name) {
  const Alias alias = alias_called(database, task, name);
  return json_response(write_alias(task, alias, alias_history(database, task, name)));
}

Response put_alias(const ServiceContext& context, const Request& request) {
  const std::string& name = request.path_members.at("alias");
  auto database = context.databases.checkout();
  const Task task = task_of(*database, request);
  if (!is_alias_name(name))
    throw HttpError(400,
                    "An alias begins with a-z or 0-9 and holds only those, '.', '_' and '-'; 64 "
                    "characters at most.",
                    "invalid_value", "alias");
  const std::string fault = alias_fault(name);
  if (!fault.empty() && !find_alias(*database, task, name))
    throw HttpError(400, "'" + name + "' cannot be an alias: it " + fault + ".", "reserved_name",
                    "alias");
  const int version = parse_alias_request(request.body);
  if (!find_alias(*database, task, name) && list_aliases(*database, task).size() >= most_aliases)
    throw HttpError(400,
                    "A task has " + std::to_string(most_aliases) +
                        " aliases at most; point one of them at the version.",
                    "too_many_aliases", "alias");
  if (!set_alias(*database, task, name, version, context.now()))
    throw HttpError(
        400, "version: task '" + task.name + "' has no version " + std::to_string(version) + ".",
        "version_not_found", "version");
  return alias_answer(*database, task, name);
}

Response get_alias(const ServiceContext& context, const Request& request) {
  auto database = context.databases.checkout();
  const Task task = task_of(*database, request);
  return alias_answer(*database, task, request.path_members.at("alias"));
}

}  // namespace

void add_task_routes(Router& router, const ServiceContext& context) {
  router.add("GET", "/v1/tasks", [&context](const Request& r) { return list(context, r); })
      .takes({"limit", "after"});
  router.add("GET", "/v1/tasks/{task}", [&context](const Request& r) { return get(context, r); });
  const std::string alias = "/v1/tasks/{task}/aliases/{alias}";
  router.add("PUT", alias, [&context](const Request& r) { return put_alias(context, r); });
  router.add("GET", alias, [&context](const Request& r) { return get_alias(context, r); });
}

}  // namespace graft
