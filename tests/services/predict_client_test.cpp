// The client against a worker made of a Unix socket and a thread.
#include "services/predict_client.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <future>
#include <string>
#include <thread>

#include "services/http/router.h"

using namespace graft;

namespace {

// What a worker does with a line: the answer's line; empty: it hangs up.
using Behaviour = std::function<std::string(const std::string& line)>;

class FakeWorker {
 public:
  FakeWorker(const std::filesystem::path& path, Behaviour behaviour)
      : behaviour_(std::move(behaviour)), listener_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    ::unlink(path.c_str());
    REQUIRE(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listener_, 8) == 0);
    thread_ = std::thread([this] { accept(); });
  }
  ~FakeWorker() {
    ::shutdown(listener_, SHUT_RDWR);
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
    }
    thread_.join();
    for (std::thread& talk : talks_) talk.join();
    ::close(listener_);
  }
  int connections() const { return connections_; }

 private:
  void accept() {
    for (;;) {
      const int fd = ::accept(listener_, nullptr, nullptr);
      if (fd < 0) return;
      ++connections_;
      const std::lock_guard lock(mutex_);
      if (stopping_) {
        ::close(fd);
        return;
      }
      open_.push_back(fd);
      talks_.emplace_back([this, fd] { talk(fd); });
    }
  }
  void talk(int fd) {
    std::string received;
    char space[4096];
    for (bool going_on = true; going_on;) {
      const ssize_t bytes = ::recv(fd, space, sizeof space, 0);
      if (bytes <= 0) break;
      received.append(space, static_cast<std::size_t>(bytes));
      const std::size_t end = received.find('\n');
      if (end == received.npos) continue;
      const std::string answer = behaviour_(received.substr(0, end));
      received.erase(0, end + 1);
      going_on = !answer.empty();
      if (going_on) ::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
    }
    const std::lock_guard lock(mutex_);
    std::erase(open_, fd);
    ::close(fd);
  }

  Behaviour behaviour_;
  int listener_;
  std::thread thread_;
  std::mutex mutex_;
  std::vector<int> open_;
  std::vector<std::thread> talks_;
  std::atomic<int> connections_ = 0;
  bool stopping_ = false;
};

std::filesystem::path scratch_socket() {
  static std::atomic<int> number = 0;
  return std::filesystem::temp_directory_path() /
         ("graft_predict_" + std::to_string(::getpid()) + "_" + std::to_string(++number));
}

std::string echo(const std::string& line) {
  PredictResponse response;
  PredictRequest request;
  try {
    request = parse_predict_request(line);
  } catch (const ProtocolError&) {
    response.error_code = "invalid_request";
  }
  response.id = request.id;
  for (const TextInput& input : request.inputs) {
    response.predictions.push_back({{input.text, 0.75}, {"other", 0.25}});
  }
  return write_predict_response(response) + "\n";
}

PredictRequest ask(const std::string& text) {
  PredictRequest request;
  request.bundle_path = "/adapter.zip";
  request.inputs.push_back({text, std::nullopt});
  return request;
}

int status_of(PredictClient& client, const PredictRequest& request) {
  try {
    client.predict(request);
    return 200;
  } catch (const HttpError& error) {
    if (error.status == 503) CHECK(error.headers.at(0).first == "retry-after");
    return error.status;
  }
}

constexpr std::chrono::milliseconds no_patience{0};

}  // namespace

TEST_CASE("predictions come back, and one connection serves call after call") {
  const auto socket = scratch_socket();
  FakeWorker worker(socket, echo);
  PredictClient client(socket);
  CHECK(client.ready());
  for (const std::string text : {"first\nline", "second", "third"}) {
    const PredictResponse response = client.predict(ask(text));
    REQUIRE(response.predictions.size() == 1);
    CHECK(response.predictions[0].at(0).label == text);
  }
  CHECK(worker.connections() == 1);
}

TEST_CASE("calls side by side get their own answers") {
  const auto socket = scratch_socket();
  FakeWorker worker(socket, echo);
  PredictClient client(socket);
  std::vector<std::future<bool>> calls;
  for (int thread = 0; thread < 8; ++thread) {
    calls.push_back(std::async(std::launch::async, [&client, thread] {
      for (int i = 0; i < 50; ++i) {
        const std::string text = std::to_string(thread) + "/" + std::to_string(i);
        if (client.predict(ask(text)).predictions.at(0).at(0).label != text) return false;
      }
      return true;
    }));
  }
  for (auto& call : calls) CHECK(call.get());
}

TEST_CASE("without a worker the answer is 503 with Retry-After") {
  PredictClient client(scratch_socket(), std::chrono::seconds(60), no_patience);
  CHECK_FALSE(client.ready());
  CHECK(status_of(client, ask("x")) == 503);
}

TEST_CASE("a worker that accepts and does not answer is not ready, one at work for a call is") {
  const auto socket = scratch_socket();
  std::promise<void> entered, release;
  std::shared_future<void> released = release.get_future().share();
  std::atomic<bool> hangs = false;
  FakeWorker worker(socket, [&](const std::string& line) {
    if (line.find("long") != line.npos) entered.set_value();
    if (hangs) released.wait();
    return echo(line);
  });
  PredictClient client(socket);
  CHECK(client.ready());
  CHECK(worker.connections() == 1);
  CHECK(status_of(client, ask("x")) == 200);
  CHECK(worker.connections() == 1);
  hangs = true;
  CHECK_FALSE(client.ready());
  CHECK_FALSE(client.ready());  // also over a connection of its own
  auto call = std::async(std::launch::async, [&] { return status_of(client, ask("long")); });
  entered.get_future().wait();
  CHECK(client.ready());
  release.set_value();
  CHECK(call.get() == 200);
  CHECK(client.ready());
}

TEST_CASE("a restarted worker is found again without the caller noticing") {
  const auto socket = scratch_socket();
  PredictClient client(socket, std::chrono::seconds(60), no_patience);
  {
    FakeWorker worker(socket, echo);
    CHECK(status_of(client, ask("x")) == 200);
  }
  CHECK(status_of(client, ask("x")) == 503);
  FakeWorker worker(socket, echo);
  CHECK(status_of(client, ask("x")) == 200);
}

TEST_CASE("a worker that starts is waited for") {
  const auto socket = scratch_socket();
  PredictClient client(socket);
  auto call = std::async(std::launch::async, [&] { return status_of(client, ask("x")); });
  FakeWorker worker(socket, echo);
  CHECK(call.get() == 200);
}

TEST_CASE(
    "a worker that hangs up on a kept connection gets the request once more, on a fresh one") {
  const auto socket = scratch_socket();
  std::atomic<int> calls = 0;
  FakeWorker worker(
      socket, [&](const std::string& line) { return ++calls == 2 ? std::string() : echo(line); });
  PredictClient client(socket);
  CHECK(status_of(client, ask("x")) == 200);
  CHECK(status_of(client, ask("x")) == 200);
  CHECK(calls == 3);
}

TEST_CASE("a worker that dies of every request is not asked for ever") {
  const auto socket = scratch_socket();
  std::atomic<int> calls = 0;
  FakeWorker worker(socket, [&](const std::string&) {
    ++calls;
    return std::string();
  });
  PredictClient client(socket);
  CHECK(status_of(client, ask("x")) == 503);
  CHECK(calls == 1);
}

TEST_CASE("a worker that does not answer in time is a 504, and its late answer meets nobody") {
  const auto socket = scratch_socket();
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  std::atomic<int> calls = 0;
  FakeWorker worker(socket, [&](const std::string& line) {
    if (++calls == 1) released.wait();
    return echo(line);
  });
  PredictClient client(socket, std::chrono::milliseconds(200));
  CHECK(status_of(client, ask("late")) == 504);
  release.set_value();
  CHECK(client.predict(ask("next")).predictions[0].at(0).label == "next");
}

TEST_CASE("the worker's own errors become statuses") {
  const auto socket = scratch_socket();
  std::string code = "invalid_input";
  FakeWorker worker(socket, [&](const std::string& line) {
    PredictResponse response;
    response.id = parse_predict_request(line).id;
    response.error_code = code;
    response.error_message = "why";
    return write_predict_response(response) + "\n";
  });
  PredictClient client(socket);
  CHECK(status_of(client, ask("x")) == 400);
  code = "backbone_mismatch";
  CHECK(status_of(client, ask("x")) == 500);
  CHECK(worker.connections() == 1);
}

TEST_CASE("nonsense from the worker is a 503") {
  const auto socket = scratch_socket();
  FakeWorker worker(socket, [](const std::string&) { return std::string("not json\n"); });
  PredictClient client(socket);
  CHECK(status_of(client, ask("x")) == 503);
}

TEST_CASE("stop ends calls in progress") {
  const auto socket = scratch_socket();
  std::promise<void> entered, release;
  FakeWorker worker(socket, [&](const std::string& line) {
    entered.set_value();
    release.get_future().wait();
    return echo(line);
  });
  PredictClient client(socket);
  auto call = std::async(std::launch::async, [&] { return status_of(client, ask("x")); });
  entered.get_future().wait();
  client.stop();
  CHECK(call.get() == 503);
  CHECK(status_of(client, ask("x")) == 503);
  release.set_value();
}

TEST_CASE("calls that wait have a limit, and all are answered at stop") {
  const auto socket = scratch_socket();
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  FakeWorker worker(socket, [&](const std::string&) {
    released.wait();
    return std::string();
  });
  std::atomic<int> answered = 0;
  int accepted = 0, refused = 0;
  {
    PredictClient client(socket);
    for (int i = 0; i < 100; ++i) {
      try {
        client.predict_later(ask("x"), [&](std::exception_ptr error, const PredictResponse&) {
          CHECK(error != nullptr);
          ++answered;
        });
        ++accepted;
      } catch (const HttpError& error) {
        CHECK(error.status == 429);
        CHECK(error.code == "too_many_requests");
        CHECK(error.headers.at(0).first == "retry-after");
        ++refused;
      }
    }
    CHECK(accepted >= 64);
    CHECK(accepted <= 68);
    CHECK(refused == 100 - accepted);
    release.set_value();
  }
  CHECK(answered == accepted);
}

TEST_CASE("a worker that answers nobody is reported, a slow one that answers others is not") {
  const auto socket = scratch_socket();
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  FakeWorker worker(socket, [&](const std::string& line) {
    if (line.find("slow") != line.npos) released.wait();
    return echo(line);
  });
  PredictClient client(socket, std::chrono::milliseconds(300));
  std::atomic<int> reports = 0;
  client.on_silence([&](auto) { ++reports; });
  CHECK(status_of(client, ask("slow")) == 504);
  CHECK(reports == 1);
  auto slow = std::async(std::launch::async, [&] { return status_of(client, ask("slow")); });
  while (slow.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready)
    CHECK(status_of(client, ask("quick")) == 200);
  CHECK(slow.get() == 504);
  CHECK(reports == 1);
  release.set_value();
}
