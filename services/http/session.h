// One connection: reads requests one after the other, has them handled on the pool, answers in
// order. Lives on the socket thread; only handlers, sinks and disk reads run elsewhere. Private to
// the server.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "services/http/gathered_bytes.h"
#include "services/http/server.h"
#include "services/http/server_message.h"

namespace graft {

namespace asio = boost::asio;
namespace beast = boost::beast;

// What all sessions of a server share.
struct SessionContext {
  const ServerOptions& options;
  const Router& router;
  const Authenticator& authenticate;
  asio::thread_pool& pool;
  asio::thread_pool& own_lane;  // one thread, for Lane::own
  bool stopping = false;        // no further request on any connection
  GatheredBytes gathered{options.gathered_limit, options.gathered_per_address};
};

class Session {
 public:
  Session(asio::ip::tcp::socket socket, SessionContext& context);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  asio::awaitable<void> run();     // until the connection ends; never throws
  asio::awaitable<void> refuse();  // 503 and close: too many connections
  void close_if_idle();            // between requests: nobody waits for an answer
  void close();                    // at once
  // Between requests since then; nullopt: at work.
  std::optional<std::chrono::steady_clock::time_point> idle_since() const;
  const asio::ip::address& address() const { return address_; }  // of the client

 private:
  using Parser = beast::http::request_parser<beast::http::buffer_body>;
  struct Exchange;  // one request and its answer

  asio::awaitable<bool> wait_for_request();
  asio::awaitable<bool> serve_request();
  asio::awaitable<void> read_header(Exchange& exchange);
  asio::awaitable<void> dispatch(Exchange& exchange);
  asio::awaitable<void> call_handler(Exchange& exchange, const Route& route);
  asio::awaitable<void> take_upload(Exchange& exchange, const Route& route);
  asio::awaitable<std::size_t> read_body(Exchange& exchange, std::span<std::byte> space,
                                         std::uint64_t limit);
  static bool may_go_on(const Exchange& exchange);
  asio::awaitable<void> discard_body(Exchange& exchange);
  asio::awaitable<void> write_response(Exchange& exchange);
  asio::awaitable<void> write_file(FileReader& reader, const FileBody& file,
                                   const std::string& request_id);
  asio::awaitable<void> write_bytes(std::string_view head, std::string_view body);
  asio::awaitable<void> linger();

  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  SessionContext& context_;
  asio::ip::address address_;
  bool idle_ = true;
  std::chrono::steady_clock::time_point idle_since_ = std::chrono::steady_clock::now();
};

}  // namespace graft
