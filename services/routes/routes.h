// All routes of the contract and ours, in one place. Called once, before the server starts.
// `context` must outlive the router.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "services/http/router.h"
#include "services/http/server.h"
#include "services/service_context.h"

namespace graft {

// `authenticate` is for the routes that take a signed link instead of a key.
void add_routes(Router& router, const ServiceContext& context, const Authenticator& authenticate);

// The rooms' parts of it, a noun each.
void add_file_routes(Router& router, const ServiceContext& context);
void add_job_routes(Router& router, const ServiceContext& context);
void add_model_routes(Router& router, const ServiceContext& context);
void add_task_routes(Router& router, const ServiceContext& context);
void add_adapter_routes(Router& router, const ServiceContext& context,
                        const Authenticator& authenticate);
void add_predict_routes(Router& router, const ServiceContext& context);
void add_health_routes(Router& router, const ServiceContext& context);

// What a caller is told of a handler's exception that is no HttpError; nullopt: that it is ours.
std::optional<HttpError> refusal_of(const std::exception& error);

// 507: nothing was changed; what can be done.
HttpError disk_full();

// The value of a query parameter as an integer within [least, most]; HttpError 400 naming it.
// An absent or empty one is the fallback.
int query_integer(const Request& request, std::string_view name, int fallback, int least, int most);
// A query parameter; nullopt where it is absent or empty, which says the same on every list.
std::optional<std::string> query_text(const Request& request, std::string_view name);

// `after` of a list: nullopt for the first page; HttpError 400 that names an id which `is_item`
// does not know. A deleted item is known.
std::optional<std::string> query_cursor(const Request& request,
                                        const std::function<bool(const std::string& id)>& is_item);

// The task of the request's {task}: HttpError 404, the same whether it is unknown or another
// customer's.
Task task_of(Database& database, const Request& request);
// Its version by the number's text, by the request's {version}; its alias by name. HttpError 404.
AdapterVersion version_called(Database& database, const Task& task, const std::string& number);
AdapterVersion version_of(Database& database, const Task& task, const Request& request);
Alias alias_called(Database& database, const Task& task, const std::string& name);

// A version number as it stands in a path; 0, which no version has, for anything else.
int version_number(std::string_view text);

Response json_response(std::string body);

}  // namespace graft
