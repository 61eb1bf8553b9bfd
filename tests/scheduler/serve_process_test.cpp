// The predicting worker is kept alive, with pauses that grow, and ends with us.
#include "scheduler/serve_process.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <memory>
#include <thread>

#include "tests/scheduler/worker_script.h"
#include "tests/support/scratch_directory.h"

using namespace graft;

namespace {

struct Workshop {
  ScratchDirectory scratch;
  ServeProcessOptions options(const std::string& lines) {
    ServeProcessOptions result;
    result.worker_program = write_script(scratch / "worker", lines);
    result.socket = scratch / "serve.sock";
    result.log = scratch / "serve.log";
    result.threads = 2;
    result.stop_grace_seconds = 0;
    return result;
  }
  int starts() {
    const std::string log = file_text(scratch / "serve.log");
    return static_cast<int>(std::count(log.begin(), log.end(), '\n'));
  }
  // What the worker does once it listens.
  void make_socket() {
    const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = (scratch / "serve.sock").string();
    REQUIRE(path.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, path.data(), path.size());
    REQUIRE(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    ::close(socket);
  }
};

const std::string patient = "echo \"$*\"\nexec sleep 1000\n";

// Kills the child and lets `serve` notice at `now`.
void kill_child(ServeProcess& serve, std::int64_t now) {
  const pid_t pid = serve.pid();
  REQUIRE(pid > 1);
  ::kill(pid, SIGKILL);
  REQUIRE(eventually([&] {
    serve.tick(now);
    return serve.pid() != pid;
  }));
}

}  // namespace

TEST_CASE("the predicting worker is started with its socket and is ready once that is there") {
  Workshop workshop;
  ServeProcess serve(workshop.options(patient));
  CHECK_FALSE(serve.ready());
  serve.tick(100);
  CHECK(serve.pid() > 0);
  CHECK_FALSE(serve.ready());
  REQUIRE(eventually([&] { return workshop.starts() == 1; }));
  CHECK(file_text(workshop.scratch / "serve.log") ==
        "serve --socket " + (workshop.scratch / "serve.sock").string() + " --threads 2\n");
  workshop.make_socket();
  serve.tick(101);
  CHECK(serve.ready());

  kill_child(serve, 102);
  CHECK_FALSE(serve.ready());
}

TEST_CASE("a predicting worker that dies is started again after pauses that grow") {
  Workshop workshop;
  ServeProcess serve(workshop.options(patient));
  std::int64_t now = 1000;
  serve.tick(now);
  for (const std::int64_t pause : {1, 2, 4, 8, 16, 32, 60, 60}) {
    kill_child(serve, now);
    CHECK(serve.pid() == 0);
    serve.tick(now + pause - 1);
    CHECK(serve.pid() == 0);
    now += pause;
    serve.tick(now);
    CHECK(serve.pid() > 0);
  }
  now += 3600;  // a long good life forgives
  kill_child(serve, now);
  serve.tick(now + 1);
  CHECK(serve.pid() > 0);
}

TEST_CASE("a predicting worker that cannot be started does not stop the daemon") {
  Workshop workshop;
  ServeProcessOptions options = workshop.options(patient);
  options.worker_program = workshop.scratch / "no-such-program";
  ServeProcess serve(options);
  serve.tick(1);
  serve.tick(1);
  CHECK(serve.pid() == 0);
  CHECK_FALSE(serve.ready());
  write_script(options.worker_program, patient);
  serve.tick(10);
  CHECK(serve.pid() > 0);
}

TEST_CASE("stopping ends the predicting worker, also one that ignores SIGTERM") {
  Workshop workshop;
  ServeProcess serve(workshop.options("trap '' TERM\necho up\nwhile true; do sleep 1000; done\n"));
  serve.tick(1);
  REQUIRE(eventually([&] { return workshop.starts() == 1; }));
  const pid_t pid = serve.pid();
  workshop.make_socket();
  serve.stop();
  CHECK(::kill(pid, 0) != 0);
  CHECK_FALSE(serve.ready());
  CHECK_FALSE(std::filesystem::exists(workshop.scratch / "serve.sock"));
  serve.tick(1000);
  CHECK(serve.pid() == 0);
}

TEST_CASE("the predicting worker ends with the thread that watches over it") {
  Workshop workshop;
  pid_t pid = 0;
  std::unique_ptr<ServeProcess> serve;
  std::thread([&] {
    serve = std::make_unique<ServeProcess>(workshop.options(patient));
    serve->tick(1);
    pid = serve->pid();
  }).join();
  REQUIRE(pid > 1);
  CHECK(eventually([&] {
    serve->tick(1);
    return serve->pid() == 0;
  }));
}

TEST_CASE(
    "a predicting worker that answers nobody is killed and started again, a later one is not") {
  Workshop workshop;
  ServeProcess serve(workshop.options("trap '' TERM\n" + patient));
  const auto before = std::chrono::steady_clock::now();
  serve.tick(100);
  const pid_t first = serve.pid();
  REQUIRE(first > 0);
  serve.report_silence(before);  // of an earlier worker
  serve.tick(101);
  CHECK(serve.pid() == first);
  CHECK(::kill(first, 0) == 0);
  serve.report_silence(std::chrono::steady_clock::now());
  serve.tick(102);
  serve.tick(103);
  CHECK(::kill(first, 0) == 0);  // one look is none
  REQUIRE(eventually([&] {
    serve.tick(105);
    return serve.pid() != first;
  }));
  serve.tick(200);
  CHECK(serve.pid() > 0);
  CHECK(serve.pid() != first);
}
TEST_CASE("a predicting worker that answers nobody but computes is let be, though not for ever") {
  Workshop workshop;
  ServeProcess serve(workshop.options("while true; do :; done\n"));
  std::int64_t now = 100;
  serve.tick(now);
  const pid_t first = serve.pid();
  REQUIRE(first > 0);
  int silences = 0;
  while (serve.pid() == first && silences < 20) {
    ++silences;
    serve.report_silence(std::chrono::steady_clock::now());
    serve.tick(++now);
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    serve.tick(now += 2);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    serve.tick(now);
  }
  CHECK(silences == 11);
}
