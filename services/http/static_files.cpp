// Conditional requests and caching of the embedded files. The page may load only what comes with
// it.
#include "services/http/static_files.h"

#include <string>

namespace graft {
namespace {

// Whether an If-None-Match names this ETag; weak comparison, as for GET.
bool names_etag(std::string_view list, std::string_view etag) {
  return list == "*" || list.find(etag) != list.npos;
}

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
  if (names_etag(request.header("if-none-match").value_or(""), file.etag)) {
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
