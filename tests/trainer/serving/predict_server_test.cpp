// The prediction socket: several clients, bad lines, what was asked before hanging up.
#include "trainer/serving/predict_server.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <torch/torch.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <thread>

#include "tests/trainer/test_files.h"

namespace graft {
namespace {

class Server {
 public:
  explicit Server(std::filesystem::path socket)
      : socket_(std::move(socket)), thread_([this] {
          Predictor predictor(2);
          StopSignal stop;  // blocks the signal in this thread only
          serve_predictions(socket_, predictor, stop);
        }) {}
  ~Server() {
    ::pthread_kill(thread_.native_handle(), SIGTERM);
    thread_.join();
  }

 private:
  std::filesystem::path socket_;
  std::thread thread_;
};

class Connection {
 public:
  explicit Connection(const std::filesystem::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.native().size() + 1);
    for (;;) {  // until the server listens
      socket_ = Descriptor(::socket(AF_UNIX, SOCK_STREAM, 0));
      const auto* generic = reinterpret_cast<const sockaddr*>(&address);
      if (::connect(socket_.number(), generic, sizeof address) == 0) return;
      std::this_thread::yield();
    }
  }

  void send(const std::string& bytes) {
    REQUIRE(::send(socket_.number(), bytes.data(), bytes.size(), 0) ==
            static_cast<ssize_t>(bytes.size()));
  }

  void hang_up() { ::shutdown(socket_.number(), SHUT_WR); }

  PredictResponse receive() {
    while (input_.find('\n') == std::string::npos) {
      char buffer[4096];
      const ssize_t count = ::recv(socket_.number(), buffer, sizeof buffer, 0);
      REQUIRE(count > 0);
      input_.append(buffer, static_cast<std::size_t>(count));
    }
    const std::size_t end = input_.find('\n');
    const PredictResponse response = parse_predict_response(input_.substr(0, end));
    input_.erase(0, end + 1);
    return response;
  }

 private:
  Descriptor socket_;
  std::string input_;
};

std::string request_line(std::uint64_t id) {
  PredictRequest request;
  request.id = id;
  request.backbone_directory = tiny_bert().string();
  request.bundle_path = "/nowhere/adapter.zip";
  request.inputs = {{"the cat", std::nullopt}};
  return write_predict_request(request) + "\n";
}

}  // namespace

TEST_CASE("clients are answered side by side, in the order of their own requests") {
  const ScratchDirectory scratch;
  const auto path = scratch.path() / "predict.sock";
  const Server server(path);
  Connection first(path), second(path);
  first.send(request_line(1) + request_line(2));
  const std::string third = request_line(3);
  second.send(third.substr(0, 10));  // half a line is no request yet
  CHECK(first.receive().id == 1);
  CHECK(first.receive().id == 2);
  second.send(third.substr(10));
  const PredictResponse response = second.receive();
  CHECK(response.id == 3);
  CHECK(response.error_code == "bundle_missing");
}

TEST_CASE("a malformed line is answered with an error and the connection goes on") {
  const ScratchDirectory scratch;
  const auto path = scratch.path() / "predict.sock";
  const Server server(path);
  Connection client(path);
  client.send("{\"id\": 1\n");
  CHECK(client.receive().error_code == "invalid_request");
  client.send(request_line(2));
  CHECK(client.receive().id == 2);
}

TEST_CASE("what was asked before hanging up is still answered") {
  const ScratchDirectory scratch;
  const auto path = scratch.path() / "predict.sock";
  const Server server(path);
  Connection client(path);
  client.send(request_line(1) + request_line(2));
  client.hang_up();
  CHECK(client.receive().id == 1);
  CHECK(client.receive().id == 2);
}

TEST_CASE("a stale socket is replaced") {
  const ScratchDirectory scratch;
  const auto path = scratch.path() / "predict.sock";
  {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.native().size() + 1);
    const Descriptor dead(::socket(AF_UNIX, SOCK_STREAM, 0));
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    REQUIRE(::bind(dead.number(), generic, sizeof address) == 0);
  }
  REQUIRE(std::filesystem::exists(path));
  const Server server(path);
  Connection client(path);
  client.send(request_line(4));
  CHECK(client.receive().id == 4);
}

}  // namespace graft
