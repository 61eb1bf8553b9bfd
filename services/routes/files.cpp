// /v1/files: upload, list, get, content, delete. Any thread.
#include <memory>

#include "services/routes/file_upload.h"
#include "services/routes/routes.h"
#include "services/routes/verified_blobs.h"
#include "services/wire/answers.h"
#include "services/wire/files.h"
#include "storage/cursors.h"
#include "storage/files.h"

namespace graft {

namespace {

constexpr std::uint64_t form_overhead = 128 * 1024;  // fields and part headers around a file

File file_of(const ServiceContext& context, Database& database, const Request& request) {
  const std::string& id = request.path_members.at("file_id");
  auto file = find_file(database, request.customer.id, id, context.now());
  if (!file) throw HttpError(404, "No such file: " + id, "file_not_found", "file_id");
  return std::move(*file);
}

Response list(const ServiceContext& context, const Request& request) {
  FileQuery query;
  query.limit = query_integer(request, "limit", query.limit, 1, 10000);
  query.purpose = query_text(request, "purpose");
  const std::string order = query_text(request, "order").value_or("desc");
  if (order != "asc" && order != "desc")
    throw HttpError(400, "order must be 'asc' or 'desc'.", "invalid_value", "order");
  query.ascending = order == "asc";
  auto database = context.databases.checkout();
  query.after = query_cursor(request, [&](const std::string& id) {
    return is_cursor(*database, CustomerListing::files, request.customer.id, id);
  });
  return json_response(
      write_file_list(list_files(*database, request.customer.id, query, context.now())));
}

Response get(const ServiceContext& context, const Request& request) {
  auto database = context.databases.checkout();
  return json_response(write_file(file_of(context, *database, request)));
}

// For any name: plain characters as they are, and all of it percent-encoded for those who read that
// (RFC 6266).
std::string disposition_of(const std::string& filename) {
  constexpr std::string_view hex = "0123456789ABCDEF";
  std::string plain, encoded;
  for (const char c : filename) {
    const auto byte = static_cast<unsigned char>(c);
    const bool safe = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                      (byte >= 'a' && byte <= 'z') || c == '.' || c == '-' || c == '_';
    plain += safe || c == ' ' ? c : '_';
    if (safe)
      encoded += c;
    else
      encoded += {'%', hex[byte >> 4], hex[byte & 15]};
  }
  return "attachment; filename=\"" + plain + "\"; filename*=UTF-8''" + encoded;
}

Response content(const ServiceContext& context, VerifiedBlobs& verified, const Request& request) {
  // Hashing a big file takes its time: no connection is held meanwhile.
  const File file = file_of(context, *context.databases.checkout(), request);
  if (!verified.check(context.blobs, file.sha256))
    throw HttpError(500,
                    "The stored bytes of '" + file.id +
                        "' are missing or damaged and are not handed out; their SHA-256 must be " +
                        file.sha256 + ". Upload the file again.",
                    "damaged_file", "file_id");
  Response response;
  response.content_type = "application/octet-stream";
  response.headers.emplace_back("content-disposition", disposition_of(file.filename));
  response.headers.emplace_back("x-content-type-options", "nosniff");
  response.body =
      FileBody{context.blobs.path(file.sha256), 0, static_cast<std::uint64_t>(file.bytes)};
  return response;
}

// The bytes go with a sweep: another upload of the same ones may be on its way to its row.
Response remove(const ServiceContext& context, const Request& request) {
  auto database = context.databases.checkout();
  const File file = file_of(context, *database, request);
  context.reserve.spend_on(
      [&] { return delete_file(*database, request.customer.id, file.id, context.now()); });
  return json_response(write_deleted(file.id, "file"));
}

}  // namespace

void add_file_routes(Router& router, const ServiceContext& context) {
  const std::string files = "/v1/files", file = files + "/{file_id}";
  const auto verified = std::make_shared<VerifiedBlobs>();
  router.add_upload(
      "POST", files,
      [&context](const Request& r) { return std::make_unique<FileUpload>(context, r); },
      most_file_bytes + form_overhead);
  router.add("GET", files, [&context](const Request& r) { return list(context, r); })
      .takes({"limit", "after", "order", "purpose"});
  router.add("GET", file, [&context](const Request& r) { return get(context, r); });
  router.add("GET", file + "/content",
             [&context, verified](const Request& r) { return content(context, *verified, r); });
  router.add("DELETE", file, [&context](const Request& r) { return remove(context, r); });
}

}  // namespace graft
