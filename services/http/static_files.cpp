// Conditional requests and caching of the embedded files. The page may load only what comes with
// it.
#include "services/http/static_files.h"

#include <string>

#include "services/http/byte_range.h"

namespace graft {
namespace {

Response serve(const StaticFile& file, const Request& request) {
  Response response;
  response.content_type = file.content_type;
  response.headers = {
      {"etag", std::string(file.etag)},
      {"cache-control", file.unchanging ? "public, max-age=31536000, immutable" : "no-cache"},
      {"x-content-type-options", "nosniff"},
  };
  if (file.content_type.starts_with("text/html")) {
    response.headers.emplace_back("content-security-policy",
                                  "default-src 'self'; base-uri 'none'; form-action 'self'; "
                                  "frame-ancestors 'none'");
    response.headers.emplace_back("referrer-policy", "no-referrer");
  }
  if (client_has(request, file.etag)) {
    response.status = 304;
  } else {
    response.body = std::string(file.bytes);
  }
  return response;
}

}  // namespace

void add_static_routes(Router& router, std::span<const StaticFile> files) {
  for (const StaticFile& file : files) {
    router
        .add(
            "GET", std::string(file.path),
            [&file](const Request& request) { return serve(file, request); }, Access::anyone)
        .ignores_query();
  }
}

}  // namespace graft
