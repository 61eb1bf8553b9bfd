// The route table: method and pattern → handler. Built once before the server starts, then read by
// many threads. Handlers run on the server's pool of threads and may block (database,
// disk, a prediction); they never see sockets.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
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

// The way to answer later, once, from any thread. Copies speak for the same request; when the last
// is gone without an answer, the client is told of a fault of ours.
class Responder {
 public:
  using Deliver = std::function<void(std::exception_ptr error, Response response)>;
  explicit Responder(Deliver deliver) : state_(std::make_shared<State>(std::move(deliver))) {}
  void answer(Response response) const { state_->give(nullptr, std::move(response)); }
  void fail(std::exception_ptr error) const { state_->give(std::move(error), {}); }

 private:
  struct State {
    explicit State(Deliver way) : deliver(std::move(way)) {}
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State();
    void give(std::exception_ptr error, Response response);
    Deliver deliver;
    std::atomic<bool> given = false;
  };
  std::shared_ptr<State> state_;
};
// For what is computed elsewhere: called on the pool, returns soon and holds no thread while it
// waits. The request lives until the answer is given.
using DeferredHandler = std::function<void(const Request&, Responder)>;

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

// Where a handler runs. own: a thread that no other route keeps busy; at_once: on the socket
// thread, for what never waits.
enum class Lane { handlers, own, at_once };

struct Route {
  std::string method;   // GET also answers HEAD
  std::string pattern;  // "/v1/files/{file_id}"; a {member} is one path segment
  Access access = Access::customer;
  Handler handler;  // one of the three is set
  DeferredHandler deferred;
  UploadHandler upload;
  Lane lane = Lane::handlers;
  std::uint64_t body_limit = 1 << 20;  // bytes; above: 413; for anyone at most 4 KiB
  // The query parameters it reads; "metadata[]" stands for metadata[ANYTHING]. nullopt: whatever
  // comes is ignored (pages).
  std::optional<std::vector<std::string>> query = std::vector<std::string>();

  Route& takes(std::vector<std::string> names) {
    query = std::move(names);
    return *this;
  }
  Route& runs(Lane where) {
    lane = where;
    return *this;
  }
  Route& ignores_query() {
    query.reset();
    return *this;
  }
};

// HttpError 400 that names the first query parameter which the route does not read, and those that
// it does: a misspelt filter must not list everything. Likewise one that is given twice: readers of
// a query disagree which of the two is meant.
void check_query(const Route& route, const Request& request);

class Router {
 public:
  // The route is good until the next one is added.
  Route& add(std::string method, std::string pattern, Handler handler,
             Access access = Access::customer, std::uint64_t body_limit = 1 << 20);
  Route& add_deferred(std::string method, std::string pattern, DeferredHandler handler,
                      std::uint64_t body_limit = 1 << 20);
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
