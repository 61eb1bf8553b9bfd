// POST /v1/tasks/{task}/predict, …/versions/{version}/predict, …/aliases/{alias}/predict: texts
// through one adapter version. Without version or alias: the newest one that is not hidden. The
// answer is given by a thread of the prediction client; any thread.
#include <iterator>

#include "services/routes/routes.h"
#include "services/wire/predict.h"
#include "storage/adapters.h"
#include "storage/tasks.h"

namespace graft {

namespace {

constexpr std::uint64_t body_limit = std::uint64_t{8} << 20;

AdapterVersion latest_version(Database& database, const Request& request) {
  const Task task = task_of(database, request);
  if (!task.latest)
    throw HttpError(404,
                    "Task '" + task.name +
                        "' has no version to predict with yet; wait for a job "
                        "to succeed.",
                    "no_version", "task");
  return version_called(database, task, std::to_string(*task.latest));
}

AdapterVersion chosen_version(Database& database, const Request& request) {
  return version_of(database, task_of(database, request), request);
}

AdapterVersion aliased_version(Database& database, const Request& request) {
  const Task task = task_of(database, request);
  const Alias alias = alias_called(database, task, request.path_members.at("alias"));
  return version_called(database, task, std::to_string(alias.version));
}

const BackboneInfo& backbone_of(const ServiceContext& context, const AdapterVersion& version) {
  for (const auto& backbone : context.backbones)
    if (backbone.summary.sha256 == version.backbone_sha256) return backbone;
  HttpError error(503,
                  "The backbone that version " + std::to_string(version.number) + " of task '" +
                      version.task_name + "' was learned on ('" + version.backbone_name +
                      "', sha256 " + version.backbone_sha256 +
                      ") is not configured; start graftd with it.",
                  "backbone_missing");
  error.headers.emplace_back("x-should-retry", "false");
  throw error;
}

Response answer_of(const AdapterVersion& version, const PredictResponse& answer,
                   const std::optional<int>& top_k) {
  Response response = json_response(write_predictions(answer, top_k));
  response.headers.emplace_back("x-graft-version", std::to_string(version.number));
  response.headers.emplace_back("x-graft-model", version.model_id);
  response.headers.emplace_back("x-graft-tokens", std::to_string(answer.tokens));
  return response;
}

using FindVersion = AdapterVersion (*)(Database&, const Request&);

void predict(const ServiceContext& context, const Request& request, const Responder& responder,
             FindVersion find) {
  AdapterVersion version;
  {  // the connection is not held while the worker computes
    auto database = context.databases.checkout();
    version = find(*database, request);
  }
  PredictBody body = parse_predict_body(request.body);
  check_function(body, version.kind);
  const BackboneInfo& backbone = backbone_of(context, version);
  PredictRequest order;
  order.backbone_directory = backbone.directory.string();
  order.backbone_sha256 = backbone.summary.sha256;
  order.bundle_path = context.blobs.path(version.bundle_sha256).string();
  order.bundle_sha256 = version.bundle_sha256;
  order.inputs = std::move(body.inputs);
  const auto done = [responder, version, top_k = body.top_k](std::exception_ptr error,
                                                             const PredictResponse& answer) {
    if (error) return responder.fail(std::move(error));
    try {
      responder.answer(answer_of(version, answer, top_k));
    } catch (...) {
      responder.fail(std::current_exception());
    }
  };
  context.predict.predict_later(std::move(order), done);
}

}  // namespace

void add_predict_routes(Router& router, const ServiceContext& context) {
  const auto add = [&](std::string pattern, FindVersion find) {
    router.add_deferred(
        "POST", std::move(pattern),
        [&context, find](const Request& request, const Responder& responder) {
          predict(context, request, responder, find);
        },
        body_limit);
  };
  add("/v1/tasks/{task}/predict", latest_version);
  add("/v1/tasks/{task}/versions/{version}/predict", chosen_version);
  add("/v1/tasks/{task}/aliases/{alias}/predict", aliased_version);
}

}  // namespace graft
