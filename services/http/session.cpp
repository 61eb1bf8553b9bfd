// The life of a connection. Errors of the connection travel as ConnectionLost, errors of a request
// as HttpError or any other exception of a handler; the latter become answers, the former end the
// session. No co_await on the right of && or ||: gcc 12 evaluates it though the left side has
// decided.
#include "services/http/session.h"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>

#include "services/http/pool_work.h"
#include "services/http/server_message.h"
#include "trainer/durable/identifiers.h"

namespace graft {
namespace {

namespace http = beast::http;
using Clock = std::chrono::steady_clock;

constexpr std::size_t transfer_piece = 128 * 1024;  // bytes of a file in memory, each way
constexpr std::uint64_t small_body = 64 * 1024;     // worth reading to keep a connection
constexpr std::size_t read_ahead = 64 * 1024;       // of pipelined requests
constexpr std::size_t short_answer = 64 * 1024;     // gets out always: it may say what was done

// The client went away or was too slow: there is nobody to answer.
struct ConnectionLost {};

auto keep_error(beast::error_code& error) {
  return asio::redirect_error(asio::use_awaitable, error);
}

// What the parser objects to, as an answer; nullopt where the connection itself failed.
std::optional<HttpError> header_error(const beast::error_code& error) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return HttpError(431, "The request header is too large.");
  }
  if (error == http::error::bad_version) {
    return HttpError(505, "This server speaks HTTP/1.1.");
  }
  if (error == http::error::end_of_stream || error == http::error::partial_message) {
    return std::nullopt;
  }
  if (error.category() == make_error_code(http::error::bad_method).category()) {
    return HttpError(400, "The request is not valid HTTP: " + error.message() + ".");
  }
  return std::nullopt;
}

}  // namespace

struct Session::Exchange {
  Exchange(SessionContext& shared, const asio::ip::address& from)
      : context(shared), held(shared.gathered, from) {}
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // The body has served; what is held from now on is the answer, until it is out.
  void hold_answer() {
    request.body = std::string();
    held.give_back();
    const auto* text = std::get_if<std::string>(&response.body);
    if (text != nullptr && text->size() > short_answer && !held.take(text->size()))
      throw too_many_bytes();
  }
  // A client that sends slower than the minimum rate, grace aside, is too slow.
  // `unclaimed`: received beyond body_bytes.
  Clock::time_point body_deadline(std::uint64_t unclaimed) const {
    const auto& options = context.options;
    return body_start + std::chrono::seconds(options.body_timeout_seconds) +
           std::chrono::seconds((body_bytes + unclaimed) / options.body_bytes_per_second);
  }

  SessionContext& context;
  GatheredBytes::Share held;  // of the body, then of the answer
  Parser parser;
  Request request;
  std::string raw_path;
  Response response;
  bool expects_continue = false;
  bool close_after = false;
  bool framed = false;  // where the body ends is known, so the next request's start is too
  bool body_started = false;
  std::uint64_t body_bytes = 0;  // received
  Clock::time_point body_start;
  Clock::time_point started = Clock::now();
};

Session::Session(asio::ip::tcp::socket socket, SessionContext& context)
    : stream_(std::move(socket)),
      buffer_(context.options.header_limit + read_ahead),
      context_(context) {
  beast::error_code unknown;
  const auto client = stream_.socket().remote_endpoint(unknown);
  if (!unknown) address_ = client.address();
  beast::error_code ignored;
  stream_.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
}

void Session::close() {
  beast::error_code ignored;
  stream_.socket().close(ignored);
}

std::optional<Clock::time_point> Session::idle_since() const {
  return idle_ ? std::optional(idle_since_) : std::nullopt;
}

void Session::close_if_idle() {
  if (idle_) close();
}

asio::awaitable<void> Session::run() {
  try {
    while (co_await wait_for_request()) {
      if (co_await serve_request()) continue;
      co_await linger();
      break;
    }
  } catch (const ConnectionLost&) {
  } catch (const std::exception& error) {
    log_lost_session(error);
  }
  close();
}

asio::awaitable<void> Session::refuse() {
  idle_ = false;
  try {
    Exchange exchange(context_, address_);
    exchange.close_after = true;
    exchange.response =
        error_response(context_.options, HttpError(503, "Too many connections; try again soon."));
    exchange.response.headers.emplace_back("retry-after", "1");
    exchange.request.request_id = new_identifier("req_");
    co_await write_response(exchange);
    co_await linger();
  } catch (const ConnectionLost&) {
  }
  close();
}

// False: the client closed, stayed silent for too long, or the server is stopping.
asio::awaitable<bool> Session::wait_for_request() {
  if (buffer_.size() > 0) co_return true;
  if (context_.stopping) co_return false;
  idle_ = true;
  idle_since_ = Clock::now();
  stream_.expires_after(std::chrono::seconds(context_.options.idle_timeout_seconds));
  beast::error_code error;
  const std::size_t bytes =
      co_await stream_.async_read_some(buffer_.prepare(8 * 1024), keep_error(error));
  if (error) co_return false;
  buffer_.commit(bytes);
  idle_ = false;
  co_return true;
}

// Reads one request and answers it. False: the connection is to be closed.
asio::awaitable<bool> Session::serve_request() {
  Exchange exchange(context_, address_);
  exchange.request.request_id = new_identifier("req_");
  try {
    co_await read_header(exchange);
    co_await dispatch(exchange);
    exchange.hold_answer();
  } catch (const HttpError& error) {
    exchange.response = error_response(context_.options, error);
  } catch (const ConnectionLost&) {
    throw;
  } catch (const std::exception& error) {
    exchange.response =
        unexpected_error_response(context_.options, error, exchange.request.request_id);
  }
  // The one place that decides what follows an answer. The next request is read only where this
  // one's body ends for sure and has been read to that end, before the answer or after it.
  if (context_.stopping || !may_go_on(exchange)) exchange.close_after = true;
  co_await write_response(exchange);
  if (!exchange.close_after) co_await discard_body(exchange);
  co_return !exchange.close_after;
}

asio::awaitable<void> Session::read_header(Exchange& exchange) {
  Parser& parser = exchange.parser;
  parser.header_limit(context_.options.header_limit);
  parser.body_limit(boost::none);  // the route's own limit is looked at below
  stream_.expires_after(std::chrono::seconds(context_.options.header_timeout_seconds));
  beast::error_code error;
  co_await http::async_read_header(stream_, buffer_, parser, keep_error(error));
  exchange.started = Clock::now();
  if (error) {
    const auto refusal = header_error(error);
    if (!refusal) throw ConnectionLost();
    throw *refusal;
  }
  check_framing(parser.get());
  exchange.framed = true;
  fill_request(parser.get(), exchange.request, exchange.raw_path);
}

// Finds the route, sees that the client may and that the body fits, takes the body, calls the
// handler.
asio::awaitable<void> Session::dispatch(Exchange& exchange) {
  Request& request = exchange.request;
  const Route& route = find_route(context_.router, request, exchange.raw_path);
  const auto length = exchange.parser.content_length();
  if (length && *length > route.body_limit) throw body_too_large(route.body_limit);
  if (route.access == Access::customer) {
    auto customer = co_await on_pool(context_.pool, [&] { return context_.authenticate(request); });
    if (!customer) throw missing_key();
    request.customer = std::move(*customer);
  }
  check_query(route, request);
  exchange.expects_continue = check_expectation(request);
  if (route.upload) {
    co_await take_upload(exchange, route);
  } else {
    co_await call_handler(exchange, route);
  }
}

asio::awaitable<void> Session::call_handler(Exchange& exchange, const Route& route) {
  Request& request = exchange.request;
  std::array<std::byte, 8 * 1024> piece;
  while (const std::size_t bytes = co_await read_body(exchange, piece, route.body_limit)) {
    if (!exchange.held.take(bytes)) throw too_many_bytes();
    request.body.append(reinterpret_cast<const char*>(piece.data()), bytes);
  }
  if (route.deferred) {
    exchange.response = co_await deferred_answer(context_.pool, route, request);
  } else if (route.lane == Lane::at_once) {
    exchange.response = route.handler(request);
  } else {
    auto& pool = route.lane == Lane::own ? context_.own_lane : context_.pool;
    exchange.response = co_await on_pool(pool, [&] { return route.handler(request); });
  }
}

// Back-pressure: a piece is read only when the sink has taken the one before.
asio::awaitable<void> Session::take_upload(Exchange& exchange, const Route& route) {
  auto sink = co_await on_pool(context_.pool, [&] { return route.upload(exchange.request); });
  SinkHolder holder(context_.pool, std::move(sink));
  std::vector<std::byte> space(transfer_piece);
  while (const std::size_t bytes = co_await read_body(exchange, space, route.body_limit)) {
    const std::span<const std::byte> piece(space.data(), bytes);
    co_await on_pool(context_.pool, [&] { (*holder).write(piece); });
  }
  exchange.response = co_await on_pool(context_.pool, [&] { return (*holder).finish(); });
}

// Fills `space` with the next bytes of the body; fewer only at its end, 0: there are no more.
asio::awaitable<std::size_t> Session::read_body(Exchange& exchange, std::span<std::byte> space,
                                                std::uint64_t limit) {
  Parser& parser = exchange.parser;
  if (parser.is_done()) co_return 0;
  if (exchange.expects_continue && !exchange.body_started && buffer_.size() == 0) {
    co_await write_bytes("HTTP/1.1 100 Continue\r\n\r\n", {});
  }
  if (!exchange.body_started) exchange.body_start = Clock::now();
  exchange.body_started = true;
  auto& body = parser.get().body();
  body.data = space.data();
  body.size = space.size();
  while (!parser.is_done() && body.size > 0) {
    // What came quickly earns time for what comes slowly, but none for silence.
    const auto silence = std::chrono::seconds(context_.options.body_timeout_seconds);
    stream_.expires_at(
        std::min(exchange.body_deadline(space.size() - body.size), Clock::now() + silence));
    beast::error_code error;
    co_await http::async_read_some(stream_, buffer_, parser, keep_error(error));
    if (error == http::error::need_buffer) break;
    if (error) {
      if (!header_error(error)) throw ConnectionLost();
      exchange.framed = false;
      throw HttpError(400, "The request body is not valid HTTP: " + error.message() + ".");
    }
  }
  const std::size_t bytes = space.size() - body.size;
  exchange.body_bytes += bytes;
  if (exchange.body_bytes > limit) throw body_too_large(limit);
  co_return bytes;
}

// Whether the body was read or what is left of it is known to be little. A client that waits for a
// 100 may or may not send its body after a refusal, so it is not trusted to.
bool Session::may_go_on(const Exchange& exchange) {
  if (!exchange.framed) return false;
  if (exchange.parser.is_done()) return true;
  const auto remaining = exchange.parser.content_length_remaining();
  if (!remaining || *remaining > small_body) return false;
  return !exchange.request.header("expect") || exchange.body_started;
}

// Reads past what a refusal left unread. An error of its own cannot be told: the answer is out.
asio::awaitable<void> Session::discard_body(Exchange& exchange) {
  exchange.expects_continue = false;
  std::array<std::byte, 8 * 1024> piece;
  const std::uint64_t no_limit = ~std::uint64_t{0};
  try {
    while (co_await read_body(exchange, piece, no_limit) > 0) {
    }
  } catch (const HttpError&) {
    throw ConnectionLost();
  }
}

asio::awaitable<void> Session::write_response(Exchange& exchange) {
  const Request& request = exchange.request;
  Response& response = exchange.response;
  std::unique_ptr<FileReader> reader;
  if (const auto* file = std::get_if<FileBody>(&response.body)) {
    reader = co_await on_pool(context_.pool, [&] { return std::make_unique<FileReader>(*file); });
    if (!reader->is_open()) {
      const std::runtime_error missing("cannot open " + file->path.string());
      response = unexpected_error_response(context_.options, missing, request.request_id);
    }
  }
  const bool old_client = exchange.parser.is_header_done() && exchange.parser.get().version() < 11;
  if (exchange.parser.is_header_done() && !exchange.parser.keep_alive())
    exchange.close_after = true;
  const bool bodiless =
      request.method == "HEAD" || response.status == 204 || response.status == 304;
  const std::string head =
      write_head(response, request.request_id, exchange.close_after, old_client);
  std::uint64_t sent = 0;
  if (bodiless) {
    co_await write_bytes(head, {});
  } else if (const auto* text = std::get_if<std::string>(&response.body)) {
    co_await write_bytes(head, *text);
    sent = text->size();
  } else {
    const auto& file = std::get<FileBody>(response.body);
    co_await write_bytes(head, {});
    co_await write_file(*reader, file, request.request_id);
    sent = file.length;
  }
  if (!context_.options.access_log) co_return;
  const std::chrono::duration<double, std::milli> taken = Clock::now() - exchange.started;
  context_.options.access_log({request.method, exchange.raw_path, response.status, sent,
                               taken.count(), request.request_id, request.customer.name});
}

// The head is out already, so a file that cannot be read on can only end the connection.
asio::awaitable<void> Session::write_file(FileReader& reader, const FileBody& file,
                                          const std::string& request_id) {
  std::string piece;
  for (std::uint64_t done = 0; done < file.length; done += piece.size()) {
    co_await on_pool(context_.pool, [&] { reader.read(piece, transfer_piece); });
    if (piece.empty()) {
      log_short_file(file, request_id);
      throw ConnectionLost();
    }
    co_await write_bytes(piece, {});
  }
}

// Both parts, in pieces with a deadline each.
asio::awaitable<void> Session::write_bytes(std::string_view head, std::string_view body) {
  do {
    const std::string_view piece = body.substr(0, transfer_piece);
    const std::array<asio::const_buffer, 2> buffers = {asio::buffer(head), asio::buffer(piece)};
    stream_.expires_after(std::chrono::seconds(context_.options.body_timeout_seconds));
    beast::error_code error;
    co_await asio::async_write(stream_, buffers, keep_error(error));
    if (error) throw ConnectionLost();
    head = {};
    body.remove_prefix(piece.size());
  } while (!body.empty());
}

// Closing with unread bytes would reset the connection and could take the answer with it. So: say
// that nothing follows, then read and forget until the client has closed too.
asio::awaitable<void> Session::linger() {
  beast::error_code error;
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, error);
  if (error) co_return;
  const auto end = Clock::now() + std::chrono::seconds(context_.options.linger_seconds);
  std::vector<std::byte> space(transfer_piece / 2);
  while (!error && Clock::now() < end) {
    const auto silence = std::chrono::seconds(context_.stopping ? 1 : 5);
    stream_.expires_at(std::min(end, Clock::now() + silence));
    co_await stream_.async_read_some(asio::buffer(space), keep_error(error));
  }
}

}  // namespace graft
