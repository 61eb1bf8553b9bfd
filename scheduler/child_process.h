// Starting and reaping child processes: the only fork in the daemon.
// start_child may be called from any thread; a child is reaped by whoever started it.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace graft {

struct ChildCommand {
  std::filesystem::path program;
  std::vector<std::string> arguments;                            // without the program's name
  std::vector<std::pair<std::string, std::string>> environment;  // over the daemon's own
  std::filesystem::path log;                                     // stdout and stderr, appended
  // Added to the daemon's own; also told to the kernel's autogroups, which otherwise give each
  // session the same share whatever its processes' niceness.
  int nice = 0;
  // Given to the kernel's memory killer: higher goes first. So that it takes workers before the
  // daemon.
  int out_of_memory_score = 500;
  // Whether the child gets SIGKILL when the thread that started it ends.
  bool dies_with_starter = false;
};

// Runs the command in a session and process group of its own, with stdin from /dev/null, no other
// open file, no blocked and no ignored signal. Throws std::system_error naming the program where it
// cannot be run.
pid_t start_child(const ChildCommand& command);

struct ChildEnd {
  std::optional<int> exit_code;
  std::optional<int> signal;
};
// Takes in the end of a child that has ended; nullopt: it lives.
std::optional<ChildEnd> reap_child(pid_t pid);

// Sends a signal to a process and, where it leads a group, to the whole group.
void signal_process(pid_t pid, int signal);

// The environment of every worker: LibTorch keeps to the thread that calls it, because training and
// predicting have threads of their own. OpenMP threads that wait must sleep: two processes of
// spinning threads on the same cores slow each other down more than tenfold.
std::vector<std::pair<std::string, std::string>> worker_environment();

}  // namespace graft
