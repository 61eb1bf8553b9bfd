// The program itself: its ready line, its refusals, its end.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/services/http_client.h"

using graft::testing::Connection;

namespace {

// A data directory, a backbone that has all the daemon looks at, and a worker that finds it sound.
class Scratch {
 public:
  Scratch() {
    std::filesystem::create_directories(backbone());
    std::ofstream(backbone() / "config.json")
        << R"({"model_type": "bert", "hidden_size": 16, "num_hidden_layers": 2,)"
        << R"("num_attention_heads": 2, "vocab_size": 30, "max_position_embeddings": 32,)"
        << R"("intermediate_size": 32, "hidden_act": "gelu", "type_vocab_size": 2})";
    std::ofstream(backbone() / "vocab.txt") << "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n";
    std::ofstream(backbone() / "model.safetensors") << "weights";
    write_worker("exit 0");
  }
  ~Scratch() { std::filesystem::remove_all(path_); }
  std::filesystem::path data() const { return path_ / "data"; }
  std::filesystem::path backbone() const { return path_ / "tiny"; }
  std::vector<std::string> arguments() const {
    return {"--data-dir", data(),        "--backbone",       "tiny=" + backbone().string(),
            "--listen",   "127.0.0.1:0", "--worker-program", worker()};
  }
  std::filesystem::path worker() const { return path_ / "worker"; }
  void write_worker(const std::string& script) const {
    std::ofstream(worker()) << "#!/bin/sh\n" << script << "\n";
    std::filesystem::permissions(worker(), std::filesystem::perms::owner_all);
  }

 private:
  static inline int number_ = 0;
  const std::filesystem::path path_ =
      std::filesystem::temp_directory_path() /
      ("graftd_test_" + std::to_string(::getpid()) + "_" + std::to_string(number_++));
};

// A child whose stdout and stderr come back through pipes.
class Program {
 public:
  explicit Program(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), GRAFTD_PROGRAM);
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    int out[2], err[2];
    REQUIRE(::pipe2(out, O_CLOEXEC) == 0);
    REQUIRE(::pipe2(err, O_CLOEXEC) == 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(out[1], STDOUT_FILENO);
      ::dup2(err[1], STDERR_FILENO);
      ::execv(pointers[0], pointers.data());
      ::_exit(127);
    }
    ::close(out[1]);
    ::close(err[1]);
    out_ = out[0];
    err_ = err[0];
  }
  ~Program() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    ::close(out_);
    ::close(err_);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // The next line of stdout; empty where it ends or nothing comes for 30 s.
  std::string read_line() {
    std::string line;
    for (char c = 0; c != '\n';) {
      pollfd waiting{out_, POLLIN, 0};
      if (::poll(&waiting, 1, 30'000) != 1 || ::read(out_, &c, 1) != 1) return line;
      if (c != '\n') line.push_back(c);
    }
    return line;
  }
  void signal(int number) { ::kill(pid_, number); }
  // Exit status; what it wrote to stderr is in `errors` then. nullopt: ended by a signal.
  std::optional<int> wait() {
    char space[4096];
    for (ssize_t bytes; (bytes = ::read(err_, space, sizeof space)) > 0;) {
      errors.append(space, static_cast<std::size_t>(bytes));
    }
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    if (!WIFEXITED(status)) return std::nullopt;
    return WEXITSTATUS(status);
  }
  std::string errors;

 private:
  pid_t pid_ = -1;
  int out_ = -1, err_ = -1;
};

std::uint16_t port_of(const std::string& ready_line) {
  const std::string start = "graftd ready at http://127.0.0.1:";
  REQUIRE(ready_line.starts_with(start));
  return static_cast<std::uint16_t>(std::atoi(ready_line.c_str() + start.size()));
}

std::string get(const std::string& path) {
  return "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
}

}  // namespace

TEST_CASE("graftd says where it is, serves, and stops cleanly on SIGTERM and SIGINT") {
  for (const int number : {SIGTERM, SIGINT}) {
    const Scratch scratch;
    std::vector<std::string> arguments = scratch.arguments();
    arguments.insert(arguments.end(), {"--log-level", number == SIGTERM ? "debug" : "info"});
    Program graftd(arguments);
    Connection client(port_of(graftd.read_line()));
    CHECK(client.ask(get("/healthz")).status == 200);
    CHECK(client.ask(get("/")).body.find("<html") != std::string::npos);
    CHECK(client.ask(get("/openapi.json")).status == 200);
    CHECK(client.ask(get("/v1/models")).body.find("\"tiny\"") != std::string::npos);
    const auto asked = std::chrono::steady_clock::now();
    graftd.signal(number);
    CHECK(graftd.read_line().empty());  // the ready line is all of stdout
    CHECK(graftd.wait() == 0);
    CHECK(std::chrono::steady_clock::now() - asked < std::chrono::seconds(10));
    const bool told = graftd.errors.find("GET /healthz 200") != std::string::npos;
    CHECK(told == (number == SIGTERM));
  }
}

TEST_CASE("a request that never ends holds the stop no longer than the drain") {
  const Scratch scratch;
  Program graftd(scratch.arguments());
  const std::uint16_t port = port_of(graftd.read_line());
  Connection stuck(port), other(port);
  stuck.send("POST /v1/fine_tuning/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n" +
             std::string("Expect: 100-continue\r\n\r\n"));
  CHECK(stuck.read().status == 100);  // the daemon waits for the body now
  CHECK(other.ask(get("/healthz")).status == 200);
  const auto asked = std::chrono::steady_clock::now();
  graftd.signal(SIGTERM);
  CHECK(other.closed_by_server());
  CHECK(graftd.wait() == 0);
  const auto taken = std::chrono::steady_clock::now() - asked;
  CHECK(taken > std::chrono::seconds(2));
  CHECK(taken < std::chrono::seconds(10));
}

TEST_CASE("a second signal ends graftd at once, an echo of the first does not") {
  const Scratch scratch;
  Program graftd(scratch.arguments());
  Connection stuck(port_of(graftd.read_line()));
  stuck.send("POST /v1/fine_tuning/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n" +
             std::string("Expect: 100-continue\r\n\r\n"));
  CHECK(stuck.read().status == 100);
  graftd.signal(SIGTERM);
  graftd.signal(SIGINT);
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  graftd.signal(SIGINT);
  CHECK(graftd.wait() == 1);
}

TEST_CASE("what was kept is there after a SIGKILL") {
  const Scratch scratch;
  std::string answer;
  {
    Program graftd(scratch.arguments());
    Connection client(port_of(graftd.read_line()));
    const std::string form =
        "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nfine-tune\r\n"
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jsonl\"\r\n\r\n"
        "{\"text\": \"a\", \"label\": \"b\"}\n\r\n--b--\r\n";
    answer = client
                 .ask(
                     "POST /v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
                     "multipart/form-data; boundary=b\r\nContent-Length: " +
                     std::to_string(form.size()) + "\r\n\r\n" + form)
                 .body;
    graftd.signal(SIGKILL);
    CHECK_FALSE(graftd.wait());
  }
  const std::size_t start = answer.find("file-");
  REQUIRE(start != answer.npos);
  const std::string id = answer.substr(start, answer.find('"', start) - start);
  Program graftd(scratch.arguments());
  Connection client(port_of(graftd.read_line()));
  CHECK(client.ask(get("/v1/files/" + id)).status == 200);
  CHECK(client.ask(get("/v1/files/" + id + "/content")).body ==
        "{\"text\": \"a\", \"label\": \"b\"}\n");
}

TEST_CASE("a second graftd on the same data directory, or without a backbone, says why not") {
  const Scratch scratch;
  Program first(scratch.arguments());
  REQUIRE(port_of(first.read_line()) != 0);
  Program second(scratch.arguments());
  CHECK(second.wait() == 1);
  CHECK(second.errors.find("in use by another graftd") != std::string::npos);

  const Scratch broken;
  std::filesystem::remove(broken.backbone() / "config.json");
  Program third(broken.arguments());
  CHECK(third.wait() == 1);
  CHECK(third.errors.find("--backbone tiny") != std::string::npos);
  CHECK(third.errors.find("config.json") != std::string::npos);
}

TEST_CASE("a backbone that the worker refuses ends the start in the worker's words") {
  const Scratch scratch;
  scratch.write_worker("echo 'model.safetensors: weights hold NaN' >&2; exit 1");
  Program refused(scratch.arguments());
  CHECK(refused.wait() == 1);
  CHECK(refused.errors.find("graftd: --backbone tiny: model.safetensors: weights hold NaN\n") !=
        std::string::npos);
  // A worker that cannot start says nothing about the backbone: the rest of the service answers.
  scratch.write_worker("exit 127");
  Program graftd(scratch.arguments());
  Connection client(port_of(graftd.read_line()));
  CHECK(client.ask(get("/healthz")).status == 200);
  graftd.signal(SIGTERM);
  CHECK(graftd.wait() == 0);
  CHECK(graftd.errors.find("backbone tiny is not checked") != std::string::npos);
}

TEST_CASE("listing and revoking keys make nothing") {
  const Scratch scratch;
  Program list({"keys", "list", "--data-dir", scratch.data()});
  CHECK(list.wait() == 0);
  CHECK(list.errors.find("keys create CUSTOMER") != std::string::npos);
  Program revoke({"keys", "revoke", "key_none", "--data-dir", scratch.data()});
  CHECK(revoke.wait() == 1);
  CHECK_FALSE(std::filesystem::exists(scratch.data()));
}

TEST_CASE("keys are made, listed and revoked beside a running daemon") {
  const Scratch scratch;
  std::vector<std::string> arguments = scratch.arguments();
  arguments.insert(arguments.end(), {"--auth", "required"});
  Program graftd(arguments);
  Connection client(port_of(graftd.read_line()));
  CHECK(client.ask(get("/v1/models")).status == 401);

  Program create(
      {"keys", "create", "acme", "--name", "build server", "--data-dir", scratch.data()});
  const std::string key = create.read_line();
  CHECK(create.wait() == 0);
  REQUIRE(key.starts_with("graft_"));
  const std::string request =
      "GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + key + "\r\n\r\n";
  CHECK(client.ask(request).status == 200);

  Program list({"keys", "list", "--data-dir", scratch.data()});
  list.read_line();  // the heads of the columns
  const std::string row = list.read_line();
  CHECK(list.wait() == 0);
  CHECK(row.find("acme") != std::string::npos);
  CHECK(row.find("build server") != std::string::npos);
  CHECK(std::count(row.begin(), row.end(), ':') == 2);  // made, and used above
  CHECK(row.find(key) == std::string::npos);

  const std::string id = row.substr(0, row.find(' '));
  Program revoke({"keys", "revoke", id, "--data-dir", scratch.data()});
  CHECK(revoke.wait() == 0);
  CHECK(client.ask(request).status == 401);
  Program unknown({"keys", "revoke", "key_none", "--data-dir", scratch.data()});
  CHECK(unknown.wait() == 1);
}
