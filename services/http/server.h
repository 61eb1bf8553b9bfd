// The HTTP server: listens, speaks HTTP/1.1 with coroutines, runs handlers on a pool, drains on
// stop. The only door to Boost.Beast. Timeouts, header and body limits, keep-alive, pipelining,
// HEAD, Expect: 100-continue.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "services/http/router.h"

namespace graft {

// One answer, for the log. `path` is as the client wrote it, without the query, which may hold a
// signed token.
struct AccessRecord {
  std::string method, path;
  int status = 0;
  std::uint64_t bytes = 0;  // of the answer's body, as sent
  double milliseconds = 0;  // from the complete header to the last byte of the answer
  std::string request_id, customer;
};

struct ServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080;  // 0: any free one, see Server::port
  int handler_threads = 8;
  int header_timeout_seconds = 15;  // for a head as a whole
  int body_timeout_seconds = 60;    // for a body as a whole, with a second more for each …
  std::uint64_t body_bytes_per_second = 1024;  // … that have come; also for a piece of an answer
  int idle_timeout_seconds = 75;               // between requests
  int drain_seconds = 8;                       // for requests in flight at stop
  std::uint32_t header_limit = 16 * 1024;
  // Above a limit the connection that idled longest (of all, of that address) makes room; where
  // none idles: 503.
  int connection_limit = 1024;
  int connections_per_address = 256;
  // Bytes of bodies, and of answers over 64 KiB, in memory, all together; above: 503.
  std::uint64_t gathered_limit = 256 << 20;
  std::uint64_t gathered_per_address = 128 << 20;  // of them those of one address
  int linger_seconds = 30;  // for a client that still sends when it is answered early
  std::function<void(const AccessRecord&)>
      access_log;  // called on the socket thread for each answer
  std::function<void()>
      on_drain_expired;  // requests are still in flight after drain_seconds: wake them
  // A refusal as JSON; without it, its message as plain text.
  std::function<std::string(const HttpError&)> refusal_body;
  // What a client is told of an exception that is no HttpError; nullopt: a 500 without details.
  std::function<std::optional<HttpError>(const std::exception&)> refusal_of;
};

// Who asks: nullopt answers 401. Called on the pool for routes with Access::customer. Throws
// HttpError.
using Authenticator = std::function<std::optional<Caller>(const Request&)>;

class Server {
 public:
  // Binds; throws std::runtime_error naming the address where it cannot.
  Server(ServerOptions options, const Router& router, Authenticator authenticate);
  ~Server();
  std::uint16_t port() const;
  void run();   // until stop(), then drains and returns
  void stop();  // from any thread, also from a signal-watching one; idempotent

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace graft
