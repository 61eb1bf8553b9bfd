// Accepts connections, keeps count of them, drains. Sockets live on the thread that calls run().
#include "services/http/server.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <set>

#include "services/http/session.h"

namespace graft {

using asio::ip::tcp;

struct Server::State {
  State(ServerOptions wanted, const Router& router, Authenticator authenticator)
      : options(std::move(wanted)),
        authenticate(std::move(authenticator)),
        pool(static_cast<std::size_t>(options.handler_threads)),
        own_lane(1),
        context{options, router, authenticate, pool, own_lane},
        acceptor(io),
        drain_timer(io) {}

  void listen();
  asio::awaitable<void> accept_connections();
  asio::awaitable<void> hold(tcp::socket socket);
  bool make_room(const asio::ip::address& address);
  bool close_longest_idle(const std::function<bool(const Session&)>& among);
  void begin_stop();
  void end_when_idle();

  const ServerOptions options;
  const Authenticator authenticate;
  asio::thread_pool pool, own_lane;
  asio::io_context io{1};
  SessionContext context;
  tcp::acceptor acceptor;
  asio::steady_timer drain_timer;
  std::set<Session*> sessions;
  std::atomic<bool> stop_asked = false;
};

void Server::State::listen() {
  const std::string shown = options.address + " port " + std::to_string(options.port);
  try {
    const tcp::endpoint endpoint(asio::ip::make_address(options.address), options.port);
    acceptor.open(endpoint.protocol());
    acceptor.set_option(tcp::acceptor::reuse_address(true));
    acceptor.bind(endpoint);
    acceptor.listen();
  } catch (const boost::system::system_error& error) {
    throw std::runtime_error("cannot listen on " + shown + ": " + error.code().message());
  }
}

asio::awaitable<void> Server::State::accept_connections() {
  while (!context.stopping) {
    boost::system::error_code error;
    tcp::socket socket =
        co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (context.stopping) break;
    if (!error) {
      asio::co_spawn(io, hold(std::move(socket)), asio::detached);
      continue;
    }
    // Out of file descriptors, mostly: the connections there are must end before another fits.
    spdlog::warn("cannot accept a connection: {}", error.message());
    asio::steady_timer pause(io, std::chrono::milliseconds(100));
    co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
  }
}

// Whether one more from `address` may be served; who only idles goes for it.
bool Server::State::make_room(const asio::ip::address& address) {
  const auto of_address = [&](const Session& session) { return session.address() == address; };
  const auto same = std::count_if(sessions.begin(), sessions.end(),
                                  [&](const Session* session) { return of_address(*session); });
  if (same >= options.connections_per_address) return close_longest_idle(of_address);
  if (sessions.size() < static_cast<std::size_t>(options.connection_limit)) return true;
  return close_longest_idle([](const Session&) { return true; });
}

// False: none of them idles. A closed one counts no more, though it ends a moment later.
bool Server::State::close_longest_idle(const std::function<bool(const Session&)>& among) {
  Session* longest = nullptr;
  for (Session* session : sessions) {
    if (!session->idle_since() || !among(*session)) continue;
    if (longest == nullptr || *session->idle_since() < *longest->idle_since()) longest = session;
  }
  if (longest == nullptr) return false;
  sessions.erase(longest);
  longest->close();
  return true;
}

// A connection from its first to its last byte.
asio::awaitable<void> Server::State::hold(tcp::socket socket) {
  const auto limit = static_cast<std::size_t>(options.connection_limit);
  // Refusing takes a moment too; beyond some of them, close without a word.
  if (sessions.size() >= limit + 64) co_return;
  Session session(std::move(socket), context);
  const bool refused = !make_room(session.address());
  sessions.insert(&session);
  if (refused) {
    co_await session.refuse();
  } else {
    co_await session.run();
  }
  sessions.erase(&session);
  end_when_idle();
}

void Server::State::begin_stop() {
  if (context.stopping) return;
  context.stopping = true;
  boost::system::error_code ignored;
  acceptor.close(ignored);
  for (Session* session : sessions) session->close_if_idle();
  drain_timer.expires_after(std::chrono::seconds(options.drain_seconds));
  drain_timer.async_wait([this](const boost::system::error_code& error) {
    if (error) return;  // all sessions ended in time
    spdlog::warn("{} connections were still busy after {} s of drain and are closed",
                 sessions.size(), options.drain_seconds);
    if (options.on_drain_expired) options.on_drain_expired();
    for (Session* session : sessions) session->close();
  });
  end_when_idle();
}

void Server::State::end_when_idle() {
  if (context.stopping && sessions.empty()) drain_timer.cancel();
}

Server::Server(ServerOptions options, const Router& router, Authenticator authenticate)
    : state_(std::make_unique<State>(std::move(options), router, std::move(authenticate))) {
  state_->listen();
}

Server::~Server() = default;

std::uint16_t Server::port() const {
  return state_->acceptor.local_endpoint().port();
}

void Server::run() {
  asio::co_spawn(state_->io, state_->accept_connections(), asio::detached);
  state_->io.run();
  state_->pool.join();
  state_->own_lane.join();
}

void Server::stop() {
  if (state_->stop_asked.exchange(true)) return;
  asio::post(state_->io, [state = state_.get()] { state->begin_stop(); });
}

}  // namespace graft
