// fork and exec. Between the two only async-signal-safe calls are made, because the daemon has
// threads: everything that allocates is prepared before.
#include "scheduler/child_process.h"
#include "trainer/durable/descriptor.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <system_error>

extern char** environ;

namespace graft {
namespace {

[[noreturn]] void fail(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), what);
}

std::vector<std::string> merged_environment(
    const std::vector<std::pair<std::string, std::string>>& changes) {
  std::vector<std::string> entries;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    bool replaced = false;
    for (const auto& [name, value] : changes) {
      if (text.starts_with(name + "=")) replaced = true;
    }
    if (!replaced) entries.emplace_back(text);
  }
  for (const auto& [name, value] : changes) entries.push_back(name + "=" + value);
  return entries;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// All that the child needs after fork, in plain values.
struct Prepared {
  const char* program;
  char* const* arguments;
  char* const* environment;
  const char* memory_score;
  const char* nice_text;
  int input, output, errors;  // descriptors; an errno goes to `errors` where exec fails
  int nice;
  pid_t parent;
  bool dies_with_starter;
};

constexpr int error_descriptor = 3;

void close_from(int first) {
  if (::close_range(static_cast<unsigned>(first), ~0U, 0) == 0) return;
  rlimit limit{};
  const bool known =
      ::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < rlim_t{1024 * 1024};
  const int last = known ? static_cast<int>(limit.rlim_cur) : 1024 * 1024;
  for (int number = first; number < last; ++number) ::close(number);
}

void reset_signals() {
  struct sigaction defaults {};
  defaults.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &defaults, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Best effort: without it the child runs as well, only less politely. False: later, perhaps.
bool tell_kernel(const char* path, const char* text) {
  const int file = ::open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0) return true;
  const bool later = ::write(file, text, std::strlen(text)) < 0 && errno == EAGAIN;
  ::close(file);
  return !later;
}

// The kernel takes such a wish ten times a second, from all unprivileged processes together.
void set_group_nice(const char* nice) {
  for (int attempt = 0; attempt < 20 && !tell_kernel("/proc/self/autogroup", nice); ++attempt) {
    const timespec pause{0, 25'000'000};
    ::nanosleep(&pause, nullptr);
  }
}

// In the child. Descriptors above 3 come first, so that none is overwritten before it is used.
[[noreturn]] void become(const Prepared& prepared) {
  ::setsid();
  const int errors = ::fcntl(prepared.errors, F_DUPFD_CLOEXEC, 10);
  const int input = ::fcntl(prepared.input, F_DUPFD_CLOEXEC, 10);
  const int output = ::fcntl(prepared.output, F_DUPFD_CLOEXEC, 10);
  if (errors < 0 || input < 0 || output < 0) ::_exit(127);
  ::dup2(input, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  ::dup3(errors, error_descriptor, O_CLOEXEC);
  close_from(error_descriptor + 1);
  if (prepared.dies_with_starter) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != prepared.parent) ::_exit(127);  // it ended before the line above
  }
  if (prepared.nice != 0) {
    ::setpriority(PRIO_PROCESS, 0, ::getpriority(PRIO_PROCESS, 0) + prepared.nice);
    set_group_nice(prepared.nice_text);
  }
  tell_kernel("/proc/self/oom_score_adj", prepared.memory_score);
  reset_signals();
  ::execve(prepared.program, prepared.arguments, prepared.environment);
  const int error = errno;
  [[maybe_unused]] const ssize_t written = ::write(error_descriptor, &error, sizeof error);
  ::_exit(127);
}

// Blocks every signal while it lives: no handler of ours may run in the child.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

// The errno of a failed exec; 0 once exec has closed the other end.
int read_exec_error(int descriptor) {
  int error = 0;
  ssize_t count;
  do {
    count = ::read(descriptor, &error, sizeof error);
  } while (count < 0 && errno == EINTR);
  return count == static_cast<ssize_t>(sizeof error) ? error : 0;
}

}  // namespace

pid_t start_child(const ChildCommand& command) {
  std::vector<std::string> argument_texts{command.program.string()};
  argument_texts.insert(argument_texts.end(), command.arguments.begin(), command.arguments.end());
  std::vector<std::string> environment_texts = merged_environment(command.environment);
  const std::vector<char*> arguments = pointers(argument_texts);
  const std::vector<char*> environment = pointers(environment_texts);
  const std::string memory_score = std::to_string(command.out_of_memory_score);
  const std::string nice_text = std::to_string(command.nice);

  const Descriptor input = open_file("/dev/null", O_RDONLY);
  const Descriptor output = open_file(command.log, O_WRONLY | O_CREAT | O_APPEND);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail(errno, "cannot make a pipe");
  const Descriptor error_reader(ends[0]);
  Descriptor error_writer(ends[1]);

  const Prepared prepared{command.program.c_str(),
                          arguments.data(),
                          environment.data(),
                          memory_score.c_str(),
                          nice_text.c_str(),
                          input.number(),
                          output.number(),
                          error_writer.number(),
                          command.nice,
                          ::getpid(),
                          command.dies_with_starter};
  pid_t pid;
  int fork_error;
  {
    const SignalsBlocked blocked;
    pid = ::fork();
    fork_error = errno;
    if (pid == 0) become(prepared);
  }
  if (pid < 0) fail(fork_error, "cannot start another process");
  error_writer.close();
  if (const int error = read_exec_error(error_reader.number()); error != 0) {
    int status;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    fail(error, "cannot run " + command.program.string());
  }
  return pid;
}

std::optional<ChildEnd> reap_child(pid_t pid) {
  int status = 0;
  pid_t reaped;
  do {
    reaped = ::waitpid(pid, &status, WNOHANG);
  } while (reaped < 0 && errno == EINTR);
  if (reaped == 0) return std::nullopt;
  if (reaped < 0) return ChildEnd{};  // no child of ours: its end is not to be known
  if (WIFSIGNALED(status)) return ChildEnd{std::nullopt, WTERMSIG(status)};
  return ChildEnd{WEXITSTATUS(status), std::nullopt};
}

void signal_process(pid_t pid, int signal) {
  if (pid <= 1) return;
  if (::getpgid(pid) == pid) {
    ::kill(-pid, signal);
  } else {
    ::kill(pid, signal);
  }
}

std::vector<std::pair<std::string, std::string>> worker_environment() {
  return {{"OMP_NUM_THREADS", "1"}, {"MKL_NUM_THREADS", "1"}, {"OMP_WAIT_POLICY", "PASSIVE"}};
}

}  // namespace graft
