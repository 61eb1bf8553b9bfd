// Real child processes: what they are given, how their lives and ends are seen, also by a daemon
// that is not their parent.
#include "scheduler/process_launcher.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <system_error>
#include <thread>

#include "scheduler/core_budget.h"
#include "tests/scheduler/service.h"
#include "tests/scheduler/worker_script.h"

using namespace graft;

namespace {

struct Workshop {
  ScratchDirectory scratch;
  std::filesystem::path run = scratch / "run_1";

  Workshop() { std::filesystem::create_directories(run); }
  ProcessLauncher launcher(const std::string& lines) {
    return ProcessLauncher({write_script(scratch / "worker", lines), 5});
  }
  bool started() {
    return eventually([&] { return !file_text(run / "started").empty(); });
  }
};

// What the real worker is like: it holds its lock until it is told to end.
const std::string patient_worker = take_lock + "echo yes > started\nexec sleep 1000\n";

bool is_gone(ProcessLauncher& launcher, const std::filesystem::path& run) {
  return eventually([&] { return !launcher.observe(run).alive; });
}

}  // namespace

TEST_CASE("a worker is told what to do, and its exit code is seen") {
  Workshop workshop;
  ProcessLauncher launcher = workshop.launcher("echo \"$1 $2\"; echo trouble >&2; exit 7\n");
  launcher.launch(workshop.run);
  REQUIRE(is_gone(launcher, workshop.run));
  CHECK(launcher.observe(workshop.run).exit_code == 7);
  CHECK_FALSE(launcher.observe(workshop.run).signal);
  CHECK(file_text(workshop.run / "worker.log") == "train " + workshop.run.string() + "\ntrouble\n");
}

TEST_CASE(
    "a worker gets thread settings, politeness, and nothing of the daemon's files and signals") {
  Workshop workshop;
  ProcessLauncher launcher = workshop.launcher(
      "echo $OMP_NUM_THREADS $OMP_WAIT_POLICY\nls /proc/self/fd | wc -l\n"
      "cat; nice\ngrep -E 'SigBlk|SigIgn' /proc/self/status\nps -o pgid= -p $$\necho $$\n");
  const int open_file = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC
  REQUIRE(open_file >= 0);
  const auto before = ::signal(SIGPIPE, SIG_IGN);
  sigset_t blocked, old;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &old);
  launcher.launch(workshop.run);
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
  ::signal(SIGPIPE, before);
  ::close(open_file);
  REQUIRE(is_gone(launcher, workshop.run));

  std::istringstream log(file_text(workshop.run / "worker.log"));
  std::string threads, policy, blocked_name, blocked_mask, ignored_name, ignored_mask;
  int files = 0, nice = 0, group = 0, process = 0;
  log >> threads >> policy >> files >> nice >> blocked_name >> blocked_mask >> ignored_name >>
      ignored_mask >> group >> process;
  CHECK(threads == "1");  // of LibTorch: training has its own
  CHECK(policy == "PASSIVE");
  CHECK(files == 4);  // stdin, stdout (the pipe), stderr, and what ls itself opened
  CHECK(nice == std::min(19, ::getpriority(PRIO_PROCESS, 0) + 5));
  CHECK(blocked_mask == "0000000000000000");
  CHECK(ignored_mask == "0000000000000000");
  CHECK(group == process);
  CHECK(process > 0);
}

TEST_CASE("a worker is nice to the prediction worker also where the kernel groups by session") {
  if (!std::filesystem::exists("/proc/self/autogroup")) return;
  Workshop workshop;
  ProcessLauncher launcher = workshop.launcher("exec cat /proc/self/autogroup\n");
  launcher.launch(workshop.run);
  REQUIRE(is_gone(launcher, workshop.run));
  CHECK(file_text(workshop.run / "worker.log").ends_with(" nice 5\n"));
}

TEST_CASE("a worker that is taken up again may run where its new daemon may, with every thread") {
  cpu_set_t here, one;
  REQUIRE(::sched_getaffinity(0, sizeof here, &here) == 0);
  if (CPU_COUNT(&here) < 2) return;
  Workshop workshop;
  ProcessLauncher parent = workshop.launcher(patient_worker);
  parent.launch(workshop.run);
  REQUIRE(workshop.started());
  const auto pid = static_cast<pid_t>(std::stoi(file_text(workshop.run / "worker.pid")));
  cpu_set_t before, after;
  REQUIRE(::sched_getaffinity(pid, sizeof before, &before) == 0);
  CHECK(CPU_EQUAL(&before, &here));

  std::thread([&] {  // the affinity of a daemon with another budget
    confine_to({allowed_processors().front()});
    REQUIRE(::sched_getaffinity(0, sizeof one, &one) == 0);
    ProcessLauncher successor({workshop.scratch / "worker", 0});
    CHECK(successor.observe(workshop.run).alive);
  })
      .join();
  CHECK(CPU_COUNT(&one) == 1);
  REQUIRE(::sched_getaffinity(pid, sizeof after, &after) == 0);
  CHECK(CPU_EQUAL(&after, &one));
  parent.stop(workshop.run, true);
  CHECK(is_gone(parent, workshop.run));
}

TEST_CASE("a worker program that is not there is an error that names it") {
  Workshop workshop;
  ProcessLauncher launcher({workshop.scratch / "no-such-worker", 0});
  try {
    launcher.launch(workshop.run);
    FAIL("launched");
  } catch (const std::system_error& error) {
    CHECK(error.code() == std::errc::no_such_file_or_directory);
    CHECK(std::string(error.what()).find("no-such-worker") != std::string::npos);
  }
  CHECK_FALSE(launcher.observe(workshop.run).alive);
}

TEST_CASE("a worker is stopped by SIGTERM, or at once by SIGKILL") {
  for (const bool at_once : {false, true}) {
    Workshop workshop;
    ProcessLauncher launcher = workshop.launcher(patient_worker);
    launcher.launch(workshop.run);
    REQUIRE(workshop.started());
    CHECK(launcher.observe(workshop.run).alive);
    launcher.stop(workshop.run, at_once);
    REQUIRE(is_gone(launcher, workshop.run));
    CHECK(launcher.observe(workshop.run).signal == (at_once ? SIGKILL : SIGTERM));
  }
}

TEST_CASE("a worker that ignores SIGTERM ends by SIGKILL with all its processes") {
  Workshop workshop;
  ProcessLauncher launcher = workshop.launcher(
      take_lock + "trap '' TERM\nsleep 1000 &\necho yes > started\nwait\nwait\nsleep 1000\n");
  launcher.launch(workshop.run);
  REQUIRE(workshop.started());
  launcher.stop(workshop.run, false);
  launcher.stop(workshop.run, true);
  REQUIRE(is_gone(launcher, workshop.run));
  CHECK(launcher.observe(workshop.run).signal == SIGKILL);
  // The lock was the children's as well: it is free only because they are gone too.
  ProcessLauncher other({"/bin/false", 0});
  CHECK(is_gone(other, workshop.run));
}

TEST_CASE("a daemon that is not the parent sees a worker by its lock, and can stop it") {
  Workshop workshop;
  ProcessLauncher parent = workshop.launcher(patient_worker);
  parent.launch(workshop.run);
  REQUIRE(workshop.started());
  ProcessLauncher successor({workshop.scratch / "worker", 0});
  CHECK(successor.observe(workshop.run).alive);
  CHECK(successor.observe(workshop.run).alive);  // looking does not take the lock away
  successor.stop(workshop.run, true);
  REQUIRE(is_gone(parent, workshop.run));
  CHECK(parent.observe(workshop.run).signal == SIGKILL);
  const WorkerState state = successor.observe(workshop.run);
  CHECK_FALSE(state.alive);
  CHECK_FALSE(state.signal);
}

TEST_CASE("a process id beside a lock that nobody holds is left alone") {
  Workshop workshop;
  ProcessLauncher bystanders = workshop.launcher("echo yes > \"$2/started\"\nexec sleep 1000\n");
  bystanders.launch(workshop.run);
  REQUIRE(workshop.started());
  // That worker took no lock: for a successor its id may be anybody's.
  REQUIRE(std::filesystem::exists(workshop.run / "worker.pid"));
  std::ofstream(workshop.run / "worker.lock") << "";
  ProcessLauncher successor({"/bin/false", 0});
  CHECK_FALSE(successor.observe(workshop.run).alive);
  successor.stop(workshop.run, true);
  // Were it hit, the SIGKILL sent before this SIGTERM would be what ended it.
  bystanders.stop(workshop.run, false);
  REQUIRE(is_gone(bystanders, workshop.run));
  CHECK(bystanders.observe(workshop.run).signal == SIGTERM);
}

TEST_CASE("ends of workers are remembered as long as their run directories are there") {
  Workshop workshop;
  ProcessLauncher launcher = workshop.launcher("exit 4\n");
  launcher.launch(workshop.run);
  REQUIRE(is_gone(launcher, workshop.run));
  const auto second = workshop.scratch / "run_2";
  std::filesystem::create_directories(second);
  launcher.launch(second);
  CHECK(launcher.observe(workshop.run).exit_code == 4);
  REQUIRE(is_gone(launcher, second));
  std::filesystem::remove_all(workshop.run);
  launcher.launch(second);
  CHECK_FALSE(launcher.observe(workshop.run).exit_code);
  REQUIRE(is_gone(launcher, second));
}

TEST_CASE("a real process trains a job: killed at first, then re-adopted by another daemon") {
  Service service;
  const std::string bytes = "adapter from a process";
  const auto script = write_script(
      service.scratch / "worker",
      take_lock + "echo '" + write_record({1, Service::started()}) + "' >> records.jsonl\n" +
          "until [ -e ../../go ]; do sleep 0.01; done\n" + "mkdir lane-0\nprintf '" + bytes +
          "' > lane-0/result.zip\n" + "cat ../../finished >> records.jsonl\n");
  std::filesystem::create_directories(service.scratch / "example");
  std::ofstream(service.scratch / "finished")
      << write_record(
             {2, FakeLauncher::make_bundle(service.scratch / "example", bytes, backbone_hash)})
      << "\n"
      << write_record({3, RunFinished{}}) << "\n";

  const std::string id = service.submit();
  const auto current_run = [&] {
    return service.options.runs_directory / list_active_runs(service.database).at(0).id;
  };
  const auto find_backbone = [&](const std::string&) {
    return std::optional(service.backbones.at("minilm"));
  };
  {
    ProcessLauncher launcher({script, 0});
    Scheduler scheduler(service.database, service.blobs, launcher, find_backbone, service.options);
    scheduler.tick({service.now, service.now});
    const auto first = current_run();
    REQUIRE(eventually([&] {
      scheduler.tick({service.now, service.now});
      return service.count_events(id, "Training worker started") == 1;
    }));
    launcher.stop(first, true);
    REQUIRE(eventually([&] {
      scheduler.tick({++service.now, service.now});  // past the pause before the next attempt
      return service.job(id).attempts == 2;
    }));
    CHECK(service.count_events(id, "killed by signal 9 (SIGKILL); attempt 2 of 3") == 1);
    CHECK_FALSE(std::filesystem::exists(first));
    REQUIRE(eventually([&] {
      scheduler.tick({service.now, service.now});
      return service.count_events(id, "Training worker started") == 2;
    }));
  }  // the first daemon is gone, its worker goes on
  ProcessLauncher launcher({script, 0});
  Scheduler scheduler(service.database, service.blobs, launcher, find_backbone, service.options);
  scheduler.recover({service.now, service.now});
  scheduler.tick({service.now + 100, service.now + 100});
  CHECK(service.status(id) == JobStatus::running);
  CHECK(launcher.observe(current_run()).alive);
  std::ofstream(service.scratch / "go") << "on";
  REQUIRE(eventually([&] {
    scheduler.tick({service.now + 101, service.now + 101});
    return list_active_runs(service.database).empty();
  }));
  CHECK(service.status(id) == JobStatus::succeeded);
  CHECK(service.job(id).attempts == 2);
  const auto version = find_version_by_model(service.database, service.customer,
                                             service.job(id).fine_tuned_model.value());
  CHECK(file_text(service.blobs.path(version->bundle_sha256)) == bytes);
}
