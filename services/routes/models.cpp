// GET /v1/models, GET and DELETE /v1/models/{model}: backbones, and adapter versions by their
// "ft:…" name. Deleting hides a version from here; its task still has it, by number. Any thread.
#include "services/routes/routes.h"
#include "services/wire/answers.h"
#include "services/wire/files.h"
#include "storage/adapters.h"

namespace graft {

namespace {

const BackboneInfo* find_backbone(const ServiceContext& context, std::string_view name) {
  for (const auto& backbone : context.backbones)
    if (backbone.name == name) return &backbone;
  return nullptr;
}

[[noreturn]] void refuse_model(const std::string& name) {
  if (name.starts_with("ft:") && name.find(":ckpt-step-") != name.npos)
    throw HttpError(404,
                    "No such model: " + name +
                        "; a checkpoint is a job's record of an epoch. Its job's "
                        "fine_tuned_model, once it has succeeded, is the best of them.",
                    "model_not_found", "model");
  throw HttpError(404, "No such model: " + name, "model_not_found", "model");
}

Response list(const ServiceContext& context, const Request& request) {
  ModelQuery query;
  query.limit = query_integer(request, "limit", query.limit, 1, query.limit);
  auto database = context.databases.checkout();
  const auto after = query_cursor(request, [&](const std::string& id) {
    return find_backbone(context, id) || find_version_by_model(*database, request.customer.id, id);
  });
  // Backbones are few and stand in front, on the first page.
  if (after && !find_backbone(context, *after)) query.after = after;
  return json_response(write_model_list(after ? std::vector<BackboneInfo>() : context.backbones,
                                        list_models(*database, request.customer.id, query),
                                        request.customer.name));
}

Response get(const ServiceContext& context, const Request& request) {
  const std::string& name = request.path_members.at("model");
  if (const auto* backbone = find_backbone(context, name))
    return json_response(write_model(*backbone));
  auto database = context.databases.checkout();
  const auto version = find_version_by_model(*database, request.customer.id, name);
  if (!version || version->hidden) refuse_model(name);
  return json_response(write_model(*version, request.customer.name));
}

Response remove(const ServiceContext& context, const Request& request) {
  const std::string& name = request.path_members.at("model");
  if (find_backbone(context, name))
    throw HttpError(403,
                    "'" + name +
                        "' is a backbone and cannot be deleted; only finished adapters "
                        "(ft:…) can.",
                    "backbone_not_deletable", "model");
  auto database = context.databases.checkout();
  const bool hidden = context.reserve.spend_on(
      [&] { return hide_version(*database, request.customer.id, name, context.now()); });
  if (!hidden) refuse_model(name);
  return json_response(write_deleted(name, "model"));
}

}  // namespace

void add_model_routes(Router& router, const ServiceContext& context) {
  router.add("GET", "/v1/models", [&context](const Request& r) { return list(context, r); })
      .takes({"limit", "after"});
  router.add("GET", "/v1/models/{model}", [&context](const Request& r) { return get(context, r); });
  router.add("DELETE", "/v1/models/{model}",
             [&context](const Request& r) { return remove(context, r); });
}

}  // namespace graft
