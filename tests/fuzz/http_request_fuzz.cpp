// Raw bytes to the real server over loopback: whatever is sent, it answers with whole, well-formed
// answers of known statuses and closes; it never hangs and never says 500.
#include <algorithm>
#include <array>
#include <cerrno>
#include <thread>

#include "services/http/server.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/services/http_client.h"

namespace graft {
namespace {

using fuzz::hold;

class CountingSink : public BodySink {
 public:
  void write(std::span<const std::byte> bytes) override { bytes_ += bytes.size(); }
  Response finish() override {
    Response response;
    response.body = std::to_string(bytes_);
    return response;
  }

 private:
  std::size_t bytes_ = 0;
};

Router make_routes() {
  Router routes;
  const Handler echo = [](const Request& request) {
    Response response;
    response.body = request.path + "\n" + request.body;
    return response;
  };
  routes.add("GET", "/", echo, Access::anyone);
  routes.add("GET", "/item/{name}", echo);
  routes.add("POST", "/item", echo, Access::customer, 64);
  routes.add("DELETE", "/item/{name}", echo);
  routes.add_upload(
      "POST", "/upload", [](const Request&) { return std::make_unique<CountingSink>(); }, 128);
  return routes;
}

// One for all inputs, on a thread of its own until the program ends.
class RunningServer {
 public:
  RunningServer()
      : routes_(make_routes()),
        server_(options(), routes_,
                [](const Request& request) {
                  Authenticator::result_type customer;
                  if (request.header("authorization")) customer.emplace();
                  return customer;
                }),
        thread_([this] { server_.run(); }) {}
  ~RunningServer() {
    server_.stop();
    thread_.join();
  }
  std::uint16_t port() const { return server_.port(); }

 private:
  static ServerOptions options() {
    ServerOptions options;
    options.port = 0;
    options.handler_threads = 1;
    options.drain_seconds = 1;
    return options;
  }
  Router routes_;
  Server server_;
  std::thread thread_;
};

// The fuzzer's clock is a signal, which may come to any thread and ends a call that waits.
template <typename Call>
auto uninterrupted(const Call& call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

// All that the server says until it closes; it must close, because nothing more is coming.
std::string talk(std::string_view input) {
  static RunningServer server;
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(server.port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int connected = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address);
  hold(connected == 0 || errno == EINTR, "connected");
  while (!input.empty()) {
    const ssize_t sent =
        uninterrupted([&] { return ::send(fd, input.data(), input.size(), MSG_NOSIGNAL); });
    if (sent <= 0) break;
    input.remove_prefix(static_cast<std::size_t>(sent));
  }
  ::shutdown(fd, SHUT_WR);
  std::string answers;
  std::array<char, 16 * 1024> space;
  for (;;) {
    pollfd waiting{fd, POLLIN, 0};
    hold(uninterrupted([&] { return ::poll(&waiting, 1, 10'000); }) == 1,
         "the server neither answered nor closed");
    const ssize_t bytes = uninterrupted([&] { return ::recv(fd, space.data(), space.size(), 0); });
    if (bytes <= 0) break;
    answers.append(space.data(), static_cast<std::size_t>(bytes));
  }
  ::close(fd);
  return answers;
}

bool asks_head(std::string_view input) {
  return input.find("HEAD") != input.npos;
}

void check_answers(std::string_view answers) {
  static constexpr std::array known = {100, 200, 400, 401, 404, 405, 408, 411, 413,
                                       414, 415, 417, 429, 431, 501, 503, 505};
  while (!answers.empty()) {
    hold(answers.starts_with("HTTP/1.1 "), "an answer begins where the one before ended");
    const int status = std::atoi(std::string(answers.substr(9, 3)).c_str());
    hold(std::find(known.begin(), known.end(), status) != known.end(),
         "status " + std::to_string(status));
    const std::size_t end = answers.find("\r\n\r\n");
    hold(end != answers.npos, "a head is whole");
    const std::string_view head = answers.substr(0, end + 2);
    answers.remove_prefix(end + 4);
    if (status == 100) continue;
    const std::size_t field = head.find("\r\ncontent-length: ");
    hold(field != head.npos, "an answer says its length");
    const auto length =
        static_cast<std::size_t>(std::atoll(std::string(head.substr(field + 18, 20)).c_str()));
    hold(length <= answers.size(), "a body is whole");
    answers.remove_prefix(length);
  }
}

}  // namespace
}  // namespace graft

GRAFT_FUZZ_TARGET(http_request) {
  const std::string answers = graft::talk(input);
  // Answers to HEAD have a length and no body, so where one ends cannot be told from the bytes.
  if (graft::asks_head(input)) return;
  graft::check_answers(answers);
}
