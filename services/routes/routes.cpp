#include "services/routes/routes.h"

#include <algorithm>

#include "storage/adapters.h"
#include "storage/database.h"
#include "storage/tasks.h"
#include "trainer/durable/plain_text.h"

namespace graft {

void add_routes(Router& router, const ServiceContext& context, const Authenticator& authenticate) {
  add_file_routes(router, context);
  add_job_routes(router, context);
  add_model_routes(router, context);
  add_task_routes(router, context);
  add_adapter_routes(router, context, authenticate);
  add_predict_routes(router, context);
  add_health_routes(router, context);
}

std::optional<HttpError> refusal_of(const std::exception& error) {
  const auto* storage = dynamic_cast<const StorageError*>(&error);
  if (storage == nullptr || !storage->disk_full) return std::nullopt;
  return disk_full();
}

HttpError disk_full() {
  return HttpError(
      507,
      "The service's disk is full; nothing was changed. Deleting files and cancelling "
      "jobs makes room within minutes; else try again when the operator has made some.",
      "disk_full");
}

int query_integer(const Request& request, std::string_view name, int fallback, int least,
                  int most) {
  const auto text = query_text(request, name);
  if (!text) return fallback;
  const auto value = whole_number<int>(*text);
  if (!value || *value < least || *value > most)
    throw HttpError(400,
                    std::string(name) + " must be an integer from " + std::to_string(least) +
                        " to " + std::to_string(most) + ".",
                    "invalid_value", std::string(name));
  return *value;
}

std::optional<std::string> query_text(const Request& request, std::string_view name) {
  auto text = request.query_value(name);
  return text && text->empty() ? std::nullopt : text;
}

std::optional<std::string> query_cursor(const Request& request,
                                        const std::function<bool(const std::string& id)>& is_item) {
  auto id = query_text(request, "after");
  if (id && !is_item(*id))
    throw HttpError(400,
                    "after: '" + *id +
                        "' is no item of this list; give the id of the last item seen, or leave "
                        "it out for the first page.",
                    "unknown_cursor", "after");
  return id;
}

Task task_of(Database& database, const Request& request) {
  const std::string& name = request.path_members.at("task");
  auto task = find_task(database, request.customer.id, name);
  if (!task) throw HttpError(404, "No such task: " + name, "task_not_found", "task");
  return *task;
}

int version_number(std::string_view text) {
  return std::max(0, whole_number<int>(text).value_or(0));
}

AdapterVersion version_called(Database& database, const Task& task, const std::string& number) {
  auto version = find_version(database, task, version_number(number));
  if (!version)
    throw HttpError(404, "Task '" + task.name + "' has no version " + number + ".",
                    "version_not_found", "version");
  return *version;
}

AdapterVersion version_of(Database& database, const Task& task, const Request& request) {
  return version_called(database, task, request.path_members.at("version"));
}

Alias alias_called(Database& database, const Task& task, const std::string& name) {
  auto alias = find_alias(database, task, name);
  if (!alias)
    throw HttpError(404, "Task '" + task.name + "' has no alias '" + name + "'.", "alias_not_found",
                    "alias");
  return *alias;
}

Response json_response(std::string body) {
  Response response;
  response.body = std::move(body);
  return response;
}

}  // namespace graft
