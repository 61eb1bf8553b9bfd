// The route table: method and pattern → handler. Built once before the server starts, then read by
// many threads. Handlers run on the server's pool of threads and may block (database,
// disk, a prediction); they never see sockets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "services/http/message.h"

namespace graft {

// Thrown by handlers for what a client did wrong (or cannot have); the session turns it into the
// contract's error body
// {"error": {message, type, param, code}}. `param` and `code` may be empty (null).
class HttpError : public std::runtime_error {
 public:
  HttpError(int http_status, const std::string& message, std::string error_code = "",
            std::string error_param = "")
      : std::runtime_error(message),
        status(http_status),
        code(std::move(error_code)),
        param(std::move(error_param)) {}
  int status;
  std::string code, param;
  std::vector<std::pair<std::string, std::string>> headers;  // e.g. x-should-retry: false
};

using Handler = std::function<Response(const Request&)>;

// Takes a body piece by piece as it arrives; destroyed without finish() when the client goes away.
class BodySink {
 public:
  virtual ~BodySink() = default;
  virtual void write(std::span<const std::byte> bytes) = 0;
  virtual Response finish() = 0;
};
using UploadHandler = std::function<std::unique_ptr<BodySink>(const Request&)>;

// anyone: no key needed (health, pages, signed links). customer: the authenticator decides.
enum class Access { customer, anyone };

struct Route {
  std::string method;   // GET also answers HEAD
  std::string pattern;  // "/v1/files/{file_id}"; a {member} is one path segment
  Access access = Access::customer;
  Handler handler;  // one of the two is set
  UploadHandler upload;
  std::uint64_t body_limit = 1 << 20;  // bytes; above: 413; for anyone at most 4 KiB
  // The query parameters it reads; "metadata[]" stands for metadata[ANYTHING]. nullopt: whatever
  // comes is ignored (pages).
  std::optional<std::vector<std::string>> query = std::vector<std::string>();

  Route& takes(std::vector<std::string> names) {
    query = std::move(names);
    return *this;
  }
  Route& ignores_query() {
    query.reset();
    return *this;
  }
};

// HttpError 400 that names the first query parameter which the route does not read, and those that
// it does: a misspelt filter must not list everything.
void check_query(const Route& route, const Request& request);

class Router {
 public:
  // The route is good until the next one is added.
  Route& add(std::string method, std::string pattern, Handler handler,
             Access access = Access::customer, std::uint64_t body_limit = 1 << 20);
  Route& add_upload(std::string method, std::string pattern, UploadHandler handler,
                    std::uint64_t body_limit);

  struct Match {
    const Route* route = nullptr;              // nullptr: no such path, or not with that method
    std::vector<std::string> allowed_methods;  // non-empty with nullptr: 405
    std::map<std::string, std::string, std::less<>> path_members;
  };
  // `path` as it stands in the request-target, percent signs included; members come out decoded.
  // Exact segments are preferred to members, from the left. Throws HttpError 400 for a segment that
  // cannot be decoded.
  Match match(std::string_view method, std::string_view path) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  std::vector<Route> routes_;
};

}  // namespace graft
