// The server over real sockets on a free port of 127.0.0.1.
#include "services/http/server.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <thread>

#include "services/routes/routes.h"
#include "services/wire/answers.h"
#include "storage/database.h"
#include "tests/services/http_client.h"

using namespace graft;
using graft::testing::Answer;
using graft::testing::Connection;

namespace {

// Something one thread says and another waits for.
class Signal {
 public:
  void give() {
    const std::lock_guard lock(mutex_);
    given_ = true;
    changed_.notify_all();
  }
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [this] { return given_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool given_ = false;
};

Response text(std::string body, int status = 200) {
  Response response;
  response.status = status;
  response.content_type = "text/plain";
  response.body = std::move(body);
  return response;
}

// Counts what it is given.
class CountingSink : public BodySink {
 public:
  struct Seen {
    std::uint64_t bytes = 0, largest = 0;
    Signal first_piece, destroyed;
    bool finished = false;
  };
  explicit CountingSink(Seen& seen) : seen_(seen) {}
  ~CountingSink() override { seen_.destroyed.give(); }
  void write(std::span<const std::byte> bytes) override {
    seen_.bytes += bytes.size();
    seen_.largest = std::max<std::uint64_t>(seen_.largest, bytes.size());
    seen_.first_piece.give();
  }
  Response finish() override {
    seen_.finished = true;
    return text(std::to_string(seen_.bytes));
  }

 private:
  Seen& seen_;
};

class RunningServer {
 public:
  explicit RunningServer(const Router& router, ServerOptions options = {},
                         Authenticator authenticate = everybody)
      : server_(prepared(std::move(options)), router, std::move(authenticate)),
        thread_([this] { server_.run(); }) {}
  ~RunningServer() { stop(); }
  void stop() {
    server_.stop();
    if (thread_.joinable()) thread_.join();
  }
  Server& server() { return server_; }
  std::uint16_t port() const { return server_.port(); }

  static std::optional<Caller> everybody(const Request&) { return Caller{1, "default"}; }

 private:
  static ServerOptions prepared(ServerOptions options) {
    options.port = 0;
    options.handler_threads = 2;
    options.refusal_body = [](const HttpError& error) { return write_error(error); };
    options.refusal_of = refusal_of;
    return options;
  }
  Server server_;
  std::thread thread_;
};

void add_echo(Router& router) {
  router
      .add("GET", "/hello/{name}",
           [](const Request& request) { return text("hello " + request.path_members.at("name")); })
      .takes({"token"});
  router.add("POST", "/echo", [](const Request& request) { return text(request.body); });
}

std::string get(const std::string& target) {
  return "GET " + target + " HTTP/1.1\r\nHost: test\r\n\r\n";
}

}  // namespace

TEST_CASE("a connection answers request after request") {
  Router router;
  add_echo(router);
  RunningServer running(router);
  Connection client(running.port());
  for (int i = 0; i < 3; ++i) {
    const Answer answer = client.ask(get("/hello/w%C3%B6rld"));
    CHECK(answer.status == 200);
    CHECK(answer.body == "hello wörld");
    CHECK(answer.field("connection") == std::nullopt);
  }
  CHECK(client.ask("GET /hello/a HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
            .field("connection") == "close");
  CHECK(client.closed_by_server());
}

TEST_CASE("pipelined requests are answered in their order") {
  Router router;
  add_echo(router);
  RunningServer running(router);
  Connection client(running.port());
  std::string requests;
  for (int i = 0; i < 50; ++i) {
    requests += i % 2 == 0 ? get("/hello/" + std::to_string(i))
                           : "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\n" +
                                 std::to_string(1000 + i);
  }
  client.send(requests);
  for (int i = 0; i < 50; ++i) {
    const std::string expected =
        i % 2 == 0 ? "hello " + std::to_string(i) : std::to_string(1000 + i);
    CHECK(client.read().body == expected);
  }
}

TEST_CASE("every answer has its own request id, whatever the client sends") {
  Router router;
  add_echo(router);
  RunningServer running(router);
  Connection client(running.port());
  const auto first = client.ask("GET /hello/a HTTP/1.1\r\nHost: t\r\nX-Request-Id: mine\r\n\r\n");
  const auto second = client.ask(get("/nowhere"));
  REQUIRE(first.field("x-request-id"));
  CHECK(first.field("x-request-id")->starts_with("req_"));
  CHECK(second.field("x-request-id")->starts_with("req_"));
  CHECK(first.field("x-request-id") != second.field("x-request-id"));
}

TEST_CASE("HEAD is GET without the body") {
  Router router;
  add_echo(router);
  RunningServer running(router);
  Connection client(running.port());
  const Answer answer = client.ask("HEAD /hello/you HTTP/1.1\r\nHost: t\r\n\r\n");
  CHECK(answer.status == 200);
  CHECK(answer.field("content-length") == "9");
  CHECK(client.ask(get("/hello/next")).body == "hello next");
}

TEST_CASE("unknown paths are 404, known ones with another method 405 with Allow") {
  Router router;
  add_echo(router);
  RunningServer running(router);
  Connection client(running.port());
  const Answer missing = client.ask(get("/hello"));
  CHECK(missing.status == 404);
  CHECK(missing.field("content-type") == "application/json");
  CHECK(missing.body.find("\"invalid_request_error\"") != missing.body.npos);
  CHECK(client.ask(get("//hello/a")).status == 404);
  const Answer other = client.ask("DELETE /hello/a HTTP/1.1\r\nHost: t\r\n\r\n");
  CHECK(other.status == 405);
  CHECK(other.field("allow") == "GET, HEAD");
  CHECK(other.body.find("\"method_not_allowed\"") != other.body.npos);
}

TEST_CASE("malformed requests are told what is wrong, as JSON") {
  Router router;
  add_echo(router);
  RunningServer running(router);
  const auto status = [&](const std::string& request) {
    Connection client(running.port());
    const Answer answer = client.ask(request);
    CHECK(answer.body.starts_with("{\"error\":"));
    return answer.status;
  };
  CHECK(status(get("/hello/%zz")) == 400);
  CHECK(status(get("/hello/%FF")) == 400);
  CHECK(status(get("/hello/%00")) == 400);
  CHECK(status(get("/hello/a?x=%")) == 400);
  CHECK(status("GET /hello/a HTTP/1.1\r\n\r\n") == 400);
  CHECK(status("GET /hello/a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n") == 400);
  CHECK(status("GET /hello/a HTTP/3.7\r\nHost: a\r\n\r\n") == 505);
  CHECK(status("nonsense\r\n\r\n") == 400);
  CHECK(status("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1x\r\n\r\n") == 400);
  CHECK(status("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
               "Transfer-Encoding: chunked\r\n\r\n") == 400);
  CHECK(status("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n") == 501);
  CHECK(status("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\n\r\n") == 415);
  CHECK(status("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n") ==
        400);
  CHECK(status("GET /hello/a HTTP/1.1\r\nHost: a\r\nX-Long: " + std::string(20'000, 'x') +
               "\r\n\r\n") == 431);
}

TEST_CASE("an HttpError keeps its status, headers and fields; other exceptions are a 500") {
  Router router;
  router.add("GET", "/refuse", [](const Request&) -> Response {
    HttpError error(400, "no \"such\" thing", "bad_thing", "thing");
    error.headers.emplace_back("x-should-retry", "false");
    throw error;
  });
  router.add("GET", "/crash",
             [](const Request&) -> Response { throw std::runtime_error("secret detail"); });
  router.add("GET", "/full",
             [](const Request&) -> Response { throw StorageError("no room", true); });
  RunningServer running(router);
  Connection client(running.port());
  const Answer refused = client.ask(get("/refuse"));
  CHECK(refused.status == 400);
  CHECK(refused.field("x-should-retry") == "false");
  CHECK(refused.body.find("no \\\"such\\\" thing") != refused.body.npos);
  CHECK(refused.body.find("\"bad_thing\"") != refused.body.npos);
  const Answer crashed = client.ask(get("/crash"));
  CHECK(crashed.status == 500);
  CHECK(crashed.body.find("secret") == crashed.body.npos);
  CHECK(crashed.body.find(*crashed.field("x-request-id")) != crashed.body.npos);
  CHECK(client.ask(get("/full")).status == 507);
}

TEST_CASE("who is not authenticated gets 401, except where anyone may") {
  Router router;
  add_echo(router);
  router.add(
      "GET", "/healthz", [](const Request&) { return text("ok"); }, Access::anyone);
  RunningServer running(router, {}, [](const Request& request) -> std::optional<Caller> {
    if (request.header("authorization") != "Bearer right") return std::nullopt;
    return Caller{7, "acme"};
  });
  Connection client(running.port());
  CHECK(client.ask(get("/healthz")).status == 200);
  const Answer refused = client.ask(get("/hello/a"));
  CHECK(refused.status == 401);
  CHECK(refused.field("www-authenticate") == "Bearer");
  CHECK(client.ask("GET /hello/a HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer right\r\n\r\n")
            .status == 200);
}

TEST_CASE("a request inside the body of a refused one is never answered") {
  struct Case {
    std::string head;  // after "Host", without the blank line
    int status;
  };
  const std::vector<Case> cases = {
      {"Transfer-Encoding: gzip", 501},
      {"Transfer-Encoding: gzip, chunked", 501},
      {"Transfer-Encoding: chunked, chunked", 501},
      {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400},
      {"Transfer-Encoding: xchunked", 501},
      {"Transfer-Encoding: identity", 501},
      {"Transfer-Encoding:", 501},
      {"Transfer-Encoding: chunked\r\nContent-Length: 5", 400},
      {"Content-Length: 5\r\nTransfer-Encoding: chunked", 400},
      {"Content-Length: 0\r\nContent-Length: 0", 400},
      {"Content-Length: 0\r\nContent-Length: 60", 400},
      {"Content-Length: 0, 60", 400},
      {"Host: other\r\nTransfer-Encoding: gzip", 501},
      {"Content-Length: 3000000", 413},
      {"Expect: money\r\nContent-Length: 60", 417},
      {"Expect: 100-continue\r\nContent-Length: 3000000", 413},
  };
  Router router;
  add_echo(router);
  std::atomic<int> smuggled = 0;
  router.add("GET", "/smuggled", [&](const Request&) {
    ++smuggled;
    return text("smuggled");
  });
  RunningServer running(router);
  for (const Case& one : cases) {
    CAPTURE(one.head);
    Connection client(running.port());
    client.send("POST /echo HTTP/1.1\r\nHost: t\r\n" + one.head + "\r\n\r\n" + get("/smuggled"));
    const Answer answer = client.read();
    CHECK(answer.status == one.status);
    CHECK(answer.field("connection") == "close");
    client.shut_down_sending();
    std::string rest;
    CHECK(client.closed_by_server(&rest));
    CHECK(rest == "");
  }
  CHECK(smuggled == 0);
  Connection old(running.port());
  CHECK(old.ask("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n").status == 400);
  // Read past, a body is not a request either; the one after it is.
  Connection kept(running.port());
  const std::string body = get("/smuggled");
  kept.send("POST /nowhere HTTP/1.1\r\nHost: t\r\nContent-Length: " + std::to_string(body.size()) +
            "\r\n\r\n" + body + get("/hello/a"));
  CHECK(kept.read().status == 404);
  CHECK(kept.read().body == "hello a");
  CHECK(smuggled == 0);
}

TEST_CASE("chunked is known in any case of its letters") {
  Router router;
  add_echo(router);
  RunningServer running(router);
  Connection client(running.port());
  CHECK(client
            .ask("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: CHUNKED\r\n\r\n"
                 "3\r\nabc\r\n0\r\n\r\n")
            .body == "abc");
}

TEST_CASE("a refusal is said before the body comes, and the body is read past after it") {
  Router router;
  add_echo(router);
  RunningServer running(router, {}, [](const Request&) { return std::nullopt; });
  Connection client(running.port());
  CHECK(client.ask("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\n").status == 401);
  client.send("12");
  CHECK(client.ask("345" + get("/nowhere")).status == 404);
}

TEST_CASE("a small refused body is read past, so the connection goes on") {
  Router router;
  add_echo(router);
  RunningServer running(router);
  Connection client(running.port());
  const Answer refused =
      client.ask("POST /nowhere HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\n12345");
  CHECK(refused.status == 404);
  CHECK(client.ask(get("/hello/a")).status == 200);
}

TEST_CASE("100 Continue is sent only for a body that will be taken") {
  Router router;
  add_echo(router);
  RunningServer running(router);
  const auto head = [](const std::string& target, int length) {
    return "POST " + target + " HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: " +
           std::to_string(length) + "\r\n\r\n";
  };
  Connection client(running.port());
  CHECK(client.ask(head("/echo", 5)).status == 100);
  CHECK(client.ask("12345").body == "12345");
  CHECK(client.ask(head("/nowhere", 5)).status == 404);
  CHECK(client.closed_by_server());
  Connection large(running.port());
  CHECK(large.ask(head("/echo", 2 << 20)).status == 413);
  Connection strange(running.port());
  CHECK(strange
            .ask("POST /echo HTTP/1.1\r\nHost: t\r\nExpect: money\r\nContent-Length: "
                 "0\r\n\r\n")
            .status == 417);
}

TEST_CASE("a body over the limit is refused before it is read, and the client sees the answer") {
  Router router;
  add_echo(router);
  RunningServer running(router);
  Connection client(running.port());
  const std::string body(8 << 20, 'x');
  // All of it is sent before the answer is read, as simple clients do.
  REQUIRE(client.send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 8388608\r\n\r\n"));
  REQUIRE(client.send(body));
  const Answer answer = client.read();
  CHECK(answer.status == 413);
  CHECK(answer.field("connection") == "close");
  CHECK(answer.body.find("1048576") != answer.body.npos);
}

TEST_CASE("a chunked body is put together, and limited while it comes") {
  Router router;
  add_echo(router);
  RunningServer running(router);
  Connection client(running.port());
  const std::string head = "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n";
  CHECK(client.ask(head + "3\r\nabc\r\n5;x=y\r\ndefgh\r\n0\r\nTrailer: x\r\n\r\n").body ==
        "abcdefgh");
  client.send(head);
  const std::string chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
  for (int i = 0; i < 20; ++i) client.send(chunk);
  CHECK(client.read().status == 413);
}

TEST_CASE("an upload streams into its sink in bounded pieces") {
  CountingSink::Seen seen;
  Router router;
  router.add_upload(
      "POST", "/files",
      [&](const Request& request) {
        CHECK(request.body.empty());
        CHECK(request.customer.name == "default");
        return std::make_unique<CountingSink>(seen);
      },
      1 << 30);
  RunningServer running(router);
  Connection client(running.port());
  constexpr int pieces = 64;
  client.send("POST /files HTTP/1.1\r\nHost: t\r\nContent-Length: " + std::to_string(pieces << 20) +
              "\r\n\r\n");
  const std::string piece(1 << 20, 'x');
  for (int i = 0; i < pieces; ++i) REQUIRE(client.send(piece));
  const Answer answer = client.read();
  CHECK(answer.status == 200);
  CHECK(answer.body == std::to_string(pieces << 20));
  CHECK(seen.largest <= 256 * 1024);
  CHECK(seen.destroyed.wait());
  client.send(
      "POST /files HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
      "4\r\nabcd\r\n0\r\n\r\n");
  CHECK(client.read().body == std::to_string((pieces << 20) + 4));
}

TEST_CASE("a client that goes away mid-upload takes the sink with it, unfinished") {
  for (const bool with_reset : {false, true}) {
    CountingSink::Seen seen;
    Router router;
    router.add_upload(
        "POST", "/files", [&](const Request&) { return std::make_unique<CountingSink>(seen); },
        1 << 30);
    RunningServer running(router);
    Connection client(running.port());
    client.send("POST /files HTTP/1.1\r\nHost: t\r\nContent-Length: 1000000\r\n\r\n" +
                std::string(300'000, 'x'));
    REQUIRE(seen.first_piece.wait());
    if (with_reset) {
      client.reset();
    } else {
      client.close();
    }
    CHECK(seen.destroyed.wait());
    CHECK_FALSE(seen.finished);
  }
}

TEST_CASE("a sink that refuses is answered though the client still sends") {
  class Refusing : public BodySink {
   public:
    void write(std::span<const std::byte>) override {
      throw HttpError(400, "the first part must be purpose");
    }
    Response finish() override { return text("never"); }
  };
  Router router;
  router.add_upload(
      "POST", "/files", [](const Request&) { return std::make_unique<Refusing>(); }, 1 << 30);
  RunningServer running(router);
  Connection client(running.port());
  client.send("POST /files HTTP/1.1\r\nHost: t\r\nContent-Length: 33554432\r\n\r\n");
  const std::string piece(1 << 20, 'x');
  for (int i = 0; i < 32; ++i) REQUIRE(client.send(piece));
  CHECK(client.read().status == 400);
}

TEST_CASE("files are sent from disk, whole or in part") {
  const auto path =
      std::filesystem::temp_directory_path() / ("graft_server_test_" + std::to_string(::getpid()));
  std::string content;
  for (int i = 0; i < 100'000; ++i) content += std::to_string(i) + ",";
  std::ofstream(path, std::ios::binary) << content;
  Router router;
  router
      .add("GET", "/file",
           [&](const Request& request) {
             Response response;
             response.content_type = "application/octet-stream";
             const bool part = request.query_value("part").has_value();
             response.body =
                 part ? FileBody{path, 1000, 200'000} : FileBody{path, 0, content.size()};
             return response;
           })
      .takes({"part"});
  router.add("GET", "/missing", [&](const Request&) {
    Response response;
    response.body = FileBody{path.string() + ".not", 0, 10};
    return response;
  });
  router.add("GET", "/short", [&](const Request&) {
    Response response;
    response.body = FileBody{path, 0, content.size() + 1};
    return response;
  });
  RunningServer running(router);
  Connection client(running.port());
  CHECK(client.ask(get("/file")).body == content);
  CHECK(client.ask(get("/file?part=1")).body == content.substr(1000, 200'000));
  const Answer head = client.ask("HEAD /file HTTP/1.1\r\nHost: t\r\n\r\n");
  CHECK(head.field("content-length") == std::to_string(content.size()));
  CHECK(client.ask(get("/missing")).status == 500);
  client.send(get("/short"));
  CHECK_THROWS_WITH(client.read(), "closed");  // never a complete answer with a wrong end
  std::filesystem::remove(path);
}

TEST_CASE("slow headers, silent bodies and idle connections are closed in time") {
  Router router;
  add_echo(router);
  ServerOptions options;
  options.header_timeout_seconds = 1;
  options.body_timeout_seconds = 1;
  options.idle_timeout_seconds = 1;
  RunningServer running(router, options);
  Connection idle(running.port()), header(running.port()), body(running.port());
  header.send("GET /hello/a HTTP/1.1\r\nHost: t\r\nX-Sl");
  body.send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\n123");
  CHECK(idle.closed_by_server());
  CHECK(header.closed_by_server());
  CHECK(body.closed_by_server());
}

TEST_CASE("a header that trickles in does not extend its deadline") {
  Router router;
  add_echo(router);
  ServerOptions options;
  options.header_timeout_seconds = 1;
  RunningServer running(router, options);
  Connection client(running.port());
  const auto started = std::chrono::steady_clock::now();
  client.send("GET /hello/a HTTP/1.1\r\nHost: t\r\nX-Slow: ");
  while (client.send("x")) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // the pace of the slow client
    if (std::chrono::steady_clock::now() - started > std::chrono::seconds(10)) break;
  }
  CHECK(std::chrono::steady_clock::now() - started < std::chrono::seconds(5));
}

TEST_CASE("a body that trickles in does not extend its deadline") {
  Router router;
  add_echo(router);
  CountingSink::Seen seen;
  router.add_upload(
      "POST", "/files", [&](const Request&) { return std::make_unique<CountingSink>(seen); },
      1 << 30);
  ServerOptions options;
  options.body_timeout_seconds = 1;
  RunningServer running(router, options);
  for (const std::string& head :
       {std::string("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 100000\r\n\r\n"),
        std::string("POST /files HTTP/1.1\r\nHost: t\r\nContent-Length: 100000\r\n\r\n"),
        std::string("POST /nowhere HTTP/1.1\r\nHost: t\r\nContent-Length: 60000\r\n\r\n")}) {
    CAPTURE(head);
    Connection client(running.port());
    const auto started = std::chrono::steady_clock::now();
    client.send(head);
    while (client.send("x")) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));  // the pace of the slow client
      if (std::chrono::steady_clock::now() - started > std::chrono::seconds(10)) break;
    }
    CHECK(std::chrono::steady_clock::now() - started < std::chrono::seconds(5));
  }
}

namespace {

// Routes whose handler holds its connection until it is released.
struct Stuck {
  Signal first, second, release;
  void add(Router& router) {
    router.add("POST", "/first", [this](const Request& request) { return hold(first, request); });
    router.add("POST", "/second", [this](const Request& request) { return hold(second, request); });
  }
  Response hold(Signal& entered, const Request& request) {
    entered.give();
    release.wait();
    return text(std::to_string(request.body.size()));
  }
};

std::string post(const std::string& target, std::size_t length = 0) {
  return "POST " + target + " HTTP/1.1\r\nHost: t\r\nContent-Length: " + std::to_string(length) +
         "\r\n\r\n" + std::string(length, 'x');
}

}  // namespace

TEST_CASE("connections over the limit get 503 where all are at work") {
  Router router;
  Stuck stuck;
  stuck.add(router);
  ServerOptions options;
  options.connection_limit = 2;
  RunningServer running(router, options);
  Connection first(running.port()), second(running.port());
  first.send(post("/first"));
  second.send(post("/second"));
  REQUIRE(stuck.first.wait());
  REQUIRE(stuck.second.wait());
  Connection third(running.port());
  const Answer answer = third.ask(get("/first"));
  CHECK(answer.status == 503);
  CHECK(answer.field("retry-after") == "1");
  stuck.release.give();
  CHECK(first.read().status == 200);
  CHECK(second.read().status == 200);
}

TEST_CASE("over the limit, the connection that idled longest makes room") {
  Router router;
  add_echo(router);
  ServerOptions options;
  options.connection_limit = 2;
  RunningServer running(router, options);
  Connection first(running.port()), second(running.port());
  CHECK(second.ask(get("/hello/a")).status == 200);
  CHECK(first.ask(get("/hello/a")).status == 200);
  Connection third(running.port());
  CHECK(third.ask(get("/hello/a")).status == 200);
  CHECK(second.closed_by_server());
  CHECK(first.ask(get("/hello/a")).status == 200);
  CHECK(third.ask(get("/hello/a")).status == 200);
}

TEST_CASE("one address does not take the connections of the others") {
  Router router;
  Stuck stuck;
  stuck.add(router);
  router.add("GET", "/hello", [](const Request&) { return text("hello"); });
  ServerOptions options;
  options.connections_per_address = 2;
  RunningServer running(router, options);
  Connection first(running.port()), second(running.port());
  first.send(post("/first"));
  REQUIRE(stuck.first.wait());
  CHECK(second.ask(get("/hello")).status == 200);
  Connection third(running.port());
  CHECK(third.ask(get("/hello")).status == 200);
  CHECK(second.closed_by_server());
  third.send(post("/second"));
  REQUIRE(stuck.second.wait());
  Connection fourth(running.port());
  CHECK(fourth.ask(get("/hello")).status == 503);
  Connection elsewhere(running.port(), 2);
  elsewhere.send(get("/hello"));
  stuck.release.give();
  CHECK(elsewhere.read().status == 200);
}

TEST_CASE("what came quickly earns no time for silence") {
  Router router;
  add_echo(router);
  ServerOptions options;
  options.body_timeout_seconds = 1;
  RunningServer running(router, options);
  Connection client(running.port());
  const auto started = std::chrono::steady_clock::now();
  client.send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 60001\r\n\r\n" +
              std::string(60'000, 'x'));
  CHECK(client.closed_by_server());
  CHECK(std::chrono::steady_clock::now() - started < std::chrono::seconds(10));
}

TEST_CASE("bodies in memory have a limit all together") {
  Router router;
  Stuck stuck;
  stuck.add(router);
  add_echo(router);
  ServerOptions options;
  options.gathered_limit = 1000;
  RunningServer running(router, options);
  Connection first(running.port()), second(running.port());
  first.send(post("/first", 800));
  REQUIRE(stuck.first.wait());
  const Answer refused = second.ask(post("/echo", 800));
  CHECK(refused.status == 503);
  CHECK(refused.field("retry-after") == "1");
  CHECK(second.ask(post("/echo", 200)).status == 200);
  stuck.release.give();
  CHECK(first.read().body == "800");
  CHECK(first.ask(post("/echo", 900)).status == 200);
  CHECK(second.ask(post("/echo", 900)).status == 200);
}

TEST_CASE("bodies in memory have a limit for each address, and another is served beside it") {
  Router router;
  Stuck stuck;
  stuck.add(router);
  add_echo(router);
  ServerOptions options;
  options.gathered_per_address = 1000;
  RunningServer running(router, options);
  Connection first(running.port()), second(running.port()), elsewhere(running.port(), 2);
  first.send(post("/first", 800));
  REQUIRE(stuck.first.wait());
  CHECK(second.ask(post("/echo", 800)).status == 503);
  CHECK(elsewhere.ask(post("/echo", 800)).status == 200);
  stuck.release.give();
  CHECK(first.read().body == "800");
  CHECK(second.ask(post("/echo", 900)).status == 200);
}

TEST_CASE("long answers that nobody reads count among the bytes in memory, short ones get out") {
  constexpr std::size_t more_than_sockets_hold = 48 << 20;
  Router router;
  add_echo(router);
  router.add("GET", "/long",
             [](const Request&) { return text(std::string(more_than_sockets_hold, 'x')); });
  ServerOptions options;
  options.gathered_per_address = more_than_sockets_hold;
  RunningServer running(router, options);
  Connection slow(running.port()), second(running.port()), elsewhere(running.port(), 2);
  slow.send(get("/long"));
  while (!slow.has_answer()) std::this_thread::yield();
  const Answer refused = second.ask(get("/long"));
  CHECK(refused.status == 503);
  CHECK(refused.field("retry-after") == "1");
  CHECK(second.ask(get("/hello/you")).body == "hello you");
  CHECK(second.ask(post("/echo", 1)).status == 503);  // of bodies, every byte counts
  CHECK(elsewhere.ask(get("/long")).body.size() == more_than_sockets_hold);
  CHECK(slow.read().body.size() == more_than_sockets_hold);
  CHECK(slow.ask(get("/hello/you")).status == 200);  // then the long answer is over
  CHECK(second.ask(get("/long")).body.size() == more_than_sockets_hold);
}

TEST_CASE("a body is let go of when its answer goes out") {
  constexpr std::size_t length = 48 << 20;
  Router router;
  router.add(
      "POST", "/mirror", [](const Request& request) { return text(request.body); },
      Access::customer, length);
  ServerOptions options;
  options.gathered_limit = options.gathered_per_address = length;
  RunningServer running(router, options);
  Connection client(running.port());
  CHECK(client.ask(post("/mirror", length)).body.size() == length);
}

TEST_CASE("without a key nobody fills the memory") {
  Router router;
  router.add(
      "GET", "/page", [](const Request&) { return text("page"); }, Access::anyone);
  RunningServer running(router);
  Connection client(running.port());
  CHECK(client.ask("GET /page HTTP/1.1\r\nHost: t\r\nContent-Length: 5000\r\n\r\n").status == 413);
}

TEST_CASE("a deferred answer holds no handler thread, and comes from any other") {
  std::mutex mutex;
  std::vector<Responder> waiting;
  Signal all_wait;
  Router router;
  add_echo(router);
  router.add_deferred("POST", "/later", [&](const Request& request, const Responder& responder) {
    if (request.body == "xx") throw HttpError(400, "not two");
    if (request.body == "xxx") return;  // forgotten
    const std::lock_guard lock(mutex);
    waiting.push_back(responder);
    if (waiting.size() == 10) all_wait.give();
  });
  RunningServer running(router);  // two handler threads
  std::vector<std::unique_ptr<Connection>> clients;
  for (int i = 0; i < 10; ++i) {
    clients.push_back(std::make_unique<Connection>(running.port()));
    clients.back()->send(post("/later", 1));
  }
  REQUIRE(all_wait.wait());
  Connection other(running.port());
  CHECK(other.ask(get("/hello/a")).status == 200);
  CHECK(other.ask(post("/later", 2)).status == 400);
  CHECK(other.ask(post("/later", 3)).status == 500);
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    if (i % 2 == 0) waiting[i].answer(text("now"));
    if (i % 2 == 1) waiting[i].fail(std::make_exception_ptr(HttpError(504, "too late")));
    waiting[i].answer(text("twice"));
  }
  waiting.clear();
  int answered = 0;
  for (auto& client : clients) {
    const Answer answer = client->read();
    if (answer.status == 200) CHECK(answer.body == "now");
    answered += answer.status == 200;
    CHECK(client->ask(get("/hello/a")).body == "hello a");
  }
  CHECK(answered == 5);
}

TEST_CASE("busy handlers keep nobody from asking after the service's health") {
  Router router;
  Stuck stuck;
  stuck.add(router);
  router
      .add(
          "GET", "/healthz", [](const Request&) { return text("ok"); }, Access::anyone)
      .runs(Lane::at_once);
  router
      .add(
          "GET", "/readyz", [](const Request&) { return text("ok"); }, Access::anyone)
      .runs(Lane::own);
  RunningServer running(router);  // two handler threads
  Connection first(running.port()), second(running.port()), third(running.port());
  first.send(post("/first"));
  second.send(post("/second"));
  REQUIRE(stuck.first.wait());
  REQUIRE(stuck.second.wait());
  third.send(post("/first"));
  Connection asking(running.port());
  CHECK(asking.ask(get("/healthz")).status == 200);
  CHECK(asking.ask(get("/readyz")).status == 200);
  stuck.release.give();
  CHECK(third.read().status == 200);
}

TEST_CASE("stop finishes what is in flight, closes what is idle and refuses the new") {
  Signal entered, release;
  Router router;
  add_echo(router);
  router.add("GET", "/slow", [&](const Request&) {
    entered.give();
    release.wait();
    return text("done");
  });
  RunningServer running(router);
  Connection idle(running.port()), busy(running.port());
  CHECK(idle.ask(get("/hello/a")).status == 200);
  busy.send(get("/slow"));
  REQUIRE(entered.wait());
  const std::uint16_t port = running.port();
  running.server().stop();
  CHECK(idle.closed_by_server());
  CHECK_THROWS(Connection(port));
  release.give();
  const Answer answer = busy.read();
  CHECK(answer.body == "done");
  CHECK(answer.field("connection") == "close");
  CHECK(busy.closed_by_server());
}

TEST_CASE("the drain has an end, and says so") {
  Signal entered, release;
  Router router;
  router.add("GET", "/stuck", [&](const Request&) {
    entered.give();
    release.wait();
    return text("too late");
  });
  ServerOptions options;
  options.drain_seconds = 1;
  options.on_drain_expired = [&] { release.give(); };
  RunningServer running(router, options);
  Connection stuck(running.port());
  stuck.send(get("/stuck"));
  REQUIRE(entered.wait());
  running.stop();
  std::string rest;
  stuck.closed_by_server(&rest);
  CHECK(rest.empty());
}

TEST_CASE("HTTP/1.0 clients are answered, and kept only where they ask for it") {
  Router router;
  add_echo(router);
  RunningServer running(router);
  Connection keeping(running.port());
  const Answer kept = keeping.ask("GET /hello/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  CHECK(kept.field("connection") == "keep-alive");
  CHECK(keeping.ask("GET /hello/b HTTP/1.0\r\n\r\n").body == "hello b");
  CHECK(keeping.closed_by_server());
}

TEST_CASE("the access log has the path without the query, and who asked") {
  Router router;
  add_echo(router);
  std::promise<AccessRecord> logged;
  ServerOptions options;
  options.access_log = [&](const AccessRecord& record) { logged.set_value(record); };
  RunningServer running(router, options);
  Connection client(running.port());
  const Answer answer = client.ask(get("/hello/%41?token=secret"));
  const AccessRecord record = logged.get_future().get();
  CHECK(record.method == "GET");
  CHECK(record.path == "/hello/%41");
  CHECK(record.status == 200);
  CHECK(record.bytes == 7);
  CHECK(record.customer == "default");
  CHECK(record.request_id == answer.field("x-request-id"));
}

TEST_CASE("an answer cannot be split by what a handler puts into a field") {
  Router router;
  router.add("GET", "/split", [](const Request&) {
    Response response = text("body");
    response.headers.emplace_back("x-name", "a\r\nset-cookie: evil");
    return response;
  });
  RunningServer running(router);
  Connection client(running.port());
  const Answer answer = client.ask(get("/split"));
  CHECK(answer.field("x-name") == "a  set-cookie: evil");
  CHECK_FALSE(answer.field("set-cookie"));
}

TEST_CASE("a port in use is named") {
  Router router;
  RunningServer running(router);
  ServerOptions options;
  options.port = running.port();
  const std::string expected = "cannot listen on 127.0.0.1 port " + std::to_string(options.port) +
                               ": Address already in use";
  CHECK_THROWS_WITH(Server(options, router, RunningServer::everybody), expected.c_str());
}
