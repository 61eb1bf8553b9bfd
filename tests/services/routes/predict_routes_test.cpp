// Predictions and health over HTTP, with a worker of a few lines behind a real Unix socket.
#include <sys/socket.h>
#include <sys/un.h>

#include <thread>

#include "services/http/server.h"
#include "tests/services/http_client.h"
#include "tests/services/route_fixture.h"
#include "trainer/contract/prediction.h"

namespace graft {
namespace {

// Answers each request with "up" 0.75, "down" 0.25 for every input and keeps what it was asked.
class FakeWorker {
 public:
  explicit FakeWorker(const std::filesystem::path& socket_path) {
    listener_ = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, socket_path.c_str(), sizeof(address.sun_path) - 1);
    REQUIRE(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
    REQUIRE(::listen(listener_, 8) == 0);
    thread_ = std::thread([this] { serve(); });
  }
  ~FakeWorker() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();  // from here on no connection is added
    for (const int connection : connections_) ::shutdown(connection, SHUT_RDWR);
    for (auto& thread : answering_) thread.join();
    for (const int connection : connections_) ::close(connection);
    ::close(listener_);
  }
  FakeWorker(const FakeWorker&) = delete;
  FakeWorker& operator=(const FakeWorker&) = delete;

  PredictRequest last() {
    const std::lock_guard lock(mutex_);
    return last_;
  }

 private:
  void serve() {
    for (;;) {
      const int connection = ::accept(listener_, nullptr, nullptr);
      if (connection < 0) return;
      const std::lock_guard lock(mutex_);
      connections_.push_back(connection);
      answering_.emplace_back([this, connection] { answer(connection); });
    }
  }
  void answer(int connection) {
    std::string pending;
    char piece[4096];
    for (ssize_t got; (got = ::read(connection, piece, sizeof(piece))) > 0;) {
      pending.append(piece, static_cast<std::size_t>(got));
      for (auto end = pending.find('\n'); end != std::string::npos; end = pending.find('\n')) {
        const std::string asked = pending.substr(0, end);
        const auto request = asked == "{}" ? PredictRequest() : parse_predict_request(asked);
        pending.erase(0, end + 1);
        PredictResponse response;
        response.id = request.id;
        response.predictions.assign(request.inputs.size(), {{"up", 0.75}, {"down", 0.25}});
        response.tokens = 7;
        {
          const std::lock_guard lock(mutex_);
          last_ = request;
        }
        const std::string line = write_predict_response(response) + "\n";
        CHECK(::write(connection, line.data(), line.size()) == static_cast<ssize_t>(line.size()));
      }
    }
  }

  int listener_ = -1;
  std::mutex mutex_;
  std::vector<int> connections_;
  PredictRequest last_;
  std::vector<std::thread> answering_;
  std::thread thread_;
};

const std::string predict = "/v1/tasks/mood/predict";

}  // namespace

TEST_CASE("a prediction is a nested list from the newest version") {
  RouteFixture routes;
  FakeWorker worker(routes.scratch.path() / "predict.socket");
  routes.add_version("mood", "one");
  const auto second = routes.add_version("mood", "two");
  const auto answer = routes.call("POST", predict, R"({"inputs": "good day"})");
  REQUIRE_MESSAGE(answer.status == 200, answer.body);
  CHECK(answer.body == R"([[{"label":"up","score":0.75},{"label":"down","score":0.25}]])");
  CHECK(answer.header("x-graft-version") == "2");
  CHECK(answer.header("x-graft-model") == second.model_id);
  const auto asked = worker.last();
  CHECK(asked.bundle_sha256 == second.bundle_sha256);
  CHECK(asked.bundle_path == routes.blobs.path(second.bundle_sha256).string());
  CHECK(asked.backbone_directory == (routes.scratch.path() / "minilm").string());
  CHECK(asked.backbone_sha256 == std::string(64, 'b'));
  REQUIRE(asked.inputs.size() == 1);
  CHECK(asked.inputs[0].text == "good day");
}

TEST_CASE("a version by number or alias predicts, hidden or not") {
  RouteFixture routes;
  FakeWorker worker(routes.scratch.path() / "predict.socket");
  const auto first = routes.add_version("mood", "one");
  const auto second = routes.add_version("mood", "two");
  REQUIRE(routes.call("PUT", "/v1/tasks/mood/aliases/live", R"({"version": 1})").status == 200);
  REQUIRE(routes.call("DELETE", "/v1/models/" + second.model_id).status == 200);
  const auto version = [&](const std::string& path) {
    const auto answer = routes.call("POST", path, R"({"inputs": ["a", "b"]})");
    CHECK_MESSAGE(answer.status == 200, answer.body);
    CHECK(answer.json().size() == 2);
    return answer.header("x-graft-version");
  };
  CHECK(version(predict) == "1");  // the newest is hidden
  CHECK(version("/v1/tasks/mood/versions/2/predict") == "2");
  CHECK(version("/v1/tasks/mood/aliases/live/predict") == "1");
  CHECK(worker.last().bundle_sha256 == first.bundle_sha256);
  CHECK(error_of(routes.call("POST", "/v1/tasks/mood/versions/3/predict", R"({"inputs": "a"})"),
                 404)["code"] == "version_not_found");
  CHECK(error_of(routes.call("POST", "/v1/tasks/mood/aliases/none/predict", R"({"inputs": "a"})"),
                 404)["code"] == "alias_not_found");
}

TEST_CASE("a task without a version says so") {
  RouteFixture routes;
  routes.add_job(R"(, "task": "mood")");
  const auto error = error_of(routes.call("POST", predict, R"({"inputs": "a"})"), 404);
  CHECK(error["code"] == "no_version");
  CHECK(error["message"] ==
        "Task 'mood' has no version to predict with yet; wait for a job to succeed.");
}

TEST_CASE("without a worker a prediction is 503 and to be tried again") {
  RouteFixture routes;
  routes.add_version("mood");
  const auto answer = routes.call("POST", predict, R"({"inputs": "a"})");
  CHECK(error_of(answer, 503)["type"] == "server_error");
}

TEST_CASE("inputs are checked before the worker is asked") {
  RouteFixture routes;
  routes.add_version("mood");
  CHECK(error_of(routes.call("POST", predict, R"({"inputs": ["a", ""]})"), 400)["param"] ==
        "inputs[1]");
  CHECK(error_of(routes.call("POST", predict, ""), 400)["code"] == "invalid_json");
}

TEST_CASE("a version of a backbone that is gone says which one is missing") {
  RouteFixture routes;
  routes.add_version("mood");
  routes.backbones.front().summary.sha256 = std::string(64, 'c');
  const auto answer = routes.call("POST", predict, R"({"inputs": "a"})");
  CHECK(error_of(answer, 503)["code"] == "backbone_missing");
  CHECK(answer.header("x-should-retry") == "false");
}

TEST_CASE("health needs no key and no worker, readiness names what is missing") {
  RouteFixture routes;
  const auto ask = [&](const char* path) {
    return routes.call("GET", path, "", {{"authorization", ""}});
  };
  CHECK(ask("/healthz").body == R"({"status":"ok"})");
  auto ready = ask("/readyz");
  CHECK(ready.status == 503);
  CHECK(ready.json()["ready"] == false);
  CHECK(ready.json()["checks"]["database"] == "ok");
  CHECK(ready.json()["checks"]["backbones"] != "ok");
  CHECK(ready.json()["checks"]["worker"] != "ok");

  FakeWorker worker(routes.scratch.path() / "predict.socket");
  std::filesystem::create_directories(routes.scratch.path() / "minilm");
  std::ofstream(routes.scratch.path() / "minilm" / "config.json") << "{}";
  ready = ask("/readyz");
  CHECK(ready.status == 200);
  CHECK(
      ready.body ==
      R"({"ready":true,"checks":{"database":"ok","disk":"ok","backbones":"ok","queue":"ok","worker":"ok"}})");
}

TEST_CASE("predictions that hang keep no other route waiting") {
  RouteFixture routes;
  routes.add_version("mood");
  // A worker that takes connections and never answers.
  const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, (routes.scratch.path() / "predict.socket").c_str(),
               sizeof(address.sun_path) - 1);
  REQUIRE(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  REQUIRE(::listen(listener, 64) == 0);
  ServerOptions options;
  options.port = 0;
  options.handler_threads = 2;
  Server server(options, routes.router, routes.authenticate);
  std::thread serving([&] { server.run(); });
  const std::string key = " HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer " + routes.acme_key;
  std::vector<std::unique_ptr<testing::Connection>> hanging;
  const auto predict = [&] {
    hanging.push_back(std::make_unique<testing::Connection>(server.port()));
    hanging.back()->send("POST /v1/tasks/mood/predict" + key +
                         "\r\nContent-Length: 15\r\n\r\n{\"inputs\": \"x\"}");
  };
  for (int i = 0; i < 20; ++i) predict();
  testing::Connection other(server.port());
  auto quickest = std::chrono::steady_clock::duration::max();
  for (int i = 0; i < 5; ++i) {
    const auto started = std::chrono::steady_clock::now();
    CHECK(other.ask("GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n").status == 200);
    CHECK(other.ask("GET /readyz HTTP/1.1\r\nHost: t\r\n\r\n").status != 404);
    CHECK(other.ask("GET /v1/tasks" + key + "\r\n\r\n").status == 200);
    quickest = std::min(quickest, std::chrono::steady_clock::now() - started);
  }
  CHECK(quickest < std::chrono::milliseconds(150));  // three answers
  // Four at the worker, 64 wait; the others are told at once.
  while (hanging.size() < 80) predict();
  const auto refused = [&] {
    int count = 0;
    for (const auto& client : hanging) count += client->has_answer() ? 1 : 0;
    return count;
  };
  while (refused() < 12) std::this_thread::yield();
  for (const auto& client : hanging) {
    if (!client->has_answer()) continue;
    const auto answer = client->read();
    CHECK(answer.status == 429);
    CHECK(answer.field("retry-after") == "1");
  }
  routes.predict.stop();
  server.stop();
  serving.join();
  ::close(listener);
}

}  // namespace graft
