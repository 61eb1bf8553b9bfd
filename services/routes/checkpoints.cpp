// /v1/fine_tuning/jobs/{job_id}/checkpoints: a job's epochs, and the state that a cancelled one
// left. Any thread.
#include "services/http/byte_range.h"
#include "services/routes/routes.h"
#include "services/routes/verified_blobs.h"
#include "services/wire/jobs.h"
#include "storage/cursors.h"
#include "storage/jobs.h"

namespace graft {

namespace {

Response list(const ServiceContext& context, const Request& request) {
  CheckpointQuery query;
  query.limit = query_integer(request, "limit", query.limit, 1, 100);
  auto database = context.databases.checkout();
  const Job job = job_of(*database, request);
  query.after = query_cursor(request, [&](const std::string& id) {
    return is_cursor(*database, InnerListing::checkpoints, job.id, id);
  });
  return json_response(write_checkpoint_list(list_checkpoints(*database, job.id, query), job));
}

Response content(const ServiceContext& context, VerifiedBlobs& verified, const Request& request) {
  const std::string& id = request.path_members.at("checkpoint_id");
  const auto found = [&] {
    auto database = context.databases.checkout();
    return find_checkpoint(*database, job_of(*database, request).id, id);
  }();
  if (!found) throw HttpError(404, "No such checkpoint: " + id, "checkpoint_not_found");
  if (!found->state_sha256)
    throw HttpError(404,
                    "Checkpoint " + id +
                        " is a record of an epoch. The state of training is kept where a job was "
                        "cancelled; a finished job has its best epoch as a version.",
                    "checkpoint_without_content");
  if (!verified.check(context.blobs, *found->state_sha256))
    throw HttpError(500,
                    "The stored state of " + id +
                        " is missing or damaged and is not handed out; its SHA-256 must be " +
                        *found->state_sha256 + ".",
                    "damaged_file");
  const auto path = context.blobs.path(*found->state_sha256);
  Response response =
      file_response(request, {path, std::filesystem::file_size(path), *found->state_sha256});
  response.content_type = "application/octet-stream";
  response.headers.emplace_back(
      "content-disposition",
      "attachment; filename=\"checkpoint-step-" + std::to_string(found->step) + ".safetensors\"");
  return response;
}

}  // namespace

void add_checkpoint_routes(Router& router, const ServiceContext& context) {
  const std::string checkpoints = "/v1/fine_tuning/jobs/{job_id}/checkpoints";
  const auto verified = std::make_shared<VerifiedBlobs>();
  router.add("GET", checkpoints, [&context](const Request& r) { return list(context, r); })
      .takes({"limit", "after"});
  router.add("GET", checkpoints + "/{checkpoint_id}/content",
             [&context, verified](const Request& r) { return content(context, *verified, r); });
}

}  // namespace graft
