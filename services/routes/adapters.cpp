// /v1/tasks/{task}/versions: adapter versions, their metrics and their download, with a key or by a
// signed link. Any thread. A bundle is sent only after its bytes were seen to hash to its name.
#include <algorithm>
#include <memory>

#include "services/http/byte_range.h"
#include "services/routes/download_token.h"
#include "services/routes/routes.h"
#include "services/routes/verified_blobs.h"
#include "services/wire/tasks.h"
#include "storage/adapters.h"
#include "storage/cursors.h"
#include "storage/customers.h"
#include "storage/jobs.h"
#include "storage/tasks.h"

namespace graft {

namespace {

constexpr UnixTime link_lifetime_seconds = 3600;

DownloadLink link_to(Database& database, const AdapterVersion& version, UnixTime now) {
  const UnixTime expires_at = now + link_lifetime_seconds;
  const std::string token =
      sign_download(download_signing_key(database),
                    {version.customer, version.task_id, version.number, expires_at});
  return {"/v1/tasks/" + version.task_name + "/versions/" + std::to_string(version.number) +
              "/adapter.zip?token=" + token,
          expires_at};
}

Response list(const ServiceContext& context, const Request& request) {
  VersionQuery query;
  query.limit = query_integer(request, "limit", query.limit, 1, 1000);
  auto database = context.databases.checkout();
  const Task task = task_of(*database, request);
  query.after = query_cursor(request, [&](const std::string& id) {
    return is_cursor(*database, InnerListing::versions, task.id, id);
  });
  auto page = list_versions(*database, task, query);
  std::vector<std::pair<AdapterVersion, DownloadLink>> versions;
  for (auto& version : page.items) {
    auto link = link_to(*database, version, context.now());
    versions.emplace_back(std::move(version), std::move(link));
  }
  return json_response(write_version_list(versions, page.has_more));
}

Response get(const ServiceContext& context, const Request& request) {
  auto database = context.databases.checkout();
  const auto version = version_of(*database, task_of(*database, request), request);
  return json_response(write_version(version, link_to(*database, version, context.now())));
}

Response metrics(const ServiceContext& context, const Request& request) {
  auto database = context.databases.checkout();
  const auto version = version_of(*database, task_of(*database, request), request);
  CheckpointQuery query;
  query.limit = 1000;
  auto epochs = list_checkpoints(*database, version.job_id, query).items;
  std::reverse(epochs.begin(), epochs.end());
  return json_response(
      write_metrics(version, list_metric_points(*database, version.job_id), epochs));
}

Response report(const ServiceContext& context, const Request& request) {
  auto database = context.databases.checkout();
  const auto version = version_of(*database, task_of(*database, request), request);
  return json_response(write_report(version, find_report(*database, version)));
}

// The customer of a valid token. HttpError 403 for one that is broken, expired or of another
// download.
Caller customer_of_token(Database& database, const Request& request, const std::string& token,
                         UnixTime now) {
  const auto refuse = [](const char* why) -> void {
    throw HttpError(403,
                    std::string("The download link ") + why +
                        "; ask for a new one with GET /v1/tasks/{task}/versions/{version}.",
                    "invalid_token", "token");
  };
  const auto claim = read_download_token(token);
  if (!claim) refuse("is not valid");
  Caller customer;
  customer.id = claim->customer;
  const auto task = find_task(database, customer.id, request.path_members.at("task"));
  const bool fits =
      task && verify_download_token(
                  download_signing_key(database), token,
                  {customer.id, task->id, version_number(request.path_members.at("version")),
                   claim->expires_at});
  if (!fits) refuse("is not valid");
  if (claim->expires_at < now) refuse("has expired");
  return customer;
}

Response download(const ServiceContext& context, const Authenticator& authenticate,
                  VerifiedBlobs& verified, const Request& asked) {
  Request request = asked;
  auto database = context.databases.checkout();
  if (const auto token = request.query_value("token")) {
    request.customer = customer_of_token(*database, request, *token, context.now());
  } else {
    const auto customer = authenticate(request);
    if (!customer)
      throw HttpError(401, "An API key or a signed link is needed.", "missing_api_key");
    request.customer = *customer;
  }
  const auto version = version_of(*database, task_of(*database, request), request);
  if (!verified.check(context.blobs, version.bundle_sha256))
    throw HttpError(500,
                    "The stored adapter of version " + std::to_string(version.number) +
                        " is missing or damaged and is not handed out; its SHA-256 must be " +
                        version.bundle_sha256 + ".",
                    "damaged_file");
  Response response = file_response(
      request, {context.blobs.path(version.bundle_sha256),
                static_cast<std::uint64_t>(version.bundle_bytes), version.bundle_sha256});
  response.content_type = "application/zip";
  response.headers.emplace_back("content-disposition",
                                "attachment; filename=\"" + version.task_name + "-v" +
                                    std::to_string(version.number) + ".zip\"");
  // A link is a secret: no shared cache keeps what it gave.
  response.headers.emplace_back("cache-control", "private, max-age=0, must-revalidate");
  response.headers.emplace_back("x-graft-model", version.model_id);
  return response;
}

}  // namespace

void add_adapter_routes(Router& router, const ServiceContext& context,
                        const Authenticator& authenticate) {
  const std::string versions = "/v1/tasks/{task}/versions", version = versions + "/{version}";
  router.add("GET", versions, [&context](const Request& r) { return list(context, r); })
      .takes({"limit", "after"});
  router.add("GET", version, [&context](const Request& r) { return get(context, r); });
  router.add("GET", version + "/report",
             [&context](const Request& r) { return report(context, r); });
  router.add("GET", version + "/metrics",
             [&context](const Request& r) { return metrics(context, r); });
  const auto verified = std::make_shared<VerifiedBlobs>();
  router
      .add(
          "GET", version + "/adapter.zip",
          [&context, authenticate, verified](const Request& r) {
            return download(context, authenticate, *verified, r);
          },
          Access::anyone)
      .takes({"token"});
}

}  // namespace graft
