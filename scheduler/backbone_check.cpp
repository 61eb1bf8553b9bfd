// See backbone_check.h. `graft-worker check` ends with 0 for a sound backbone and with 1 and one
// line on stderr for another; everything else is no answer.
#include "scheduler/backbone_check.h"

#include <csignal>
#include <fstream>
#include <iterator>
#include <system_error>
#include <thread>

#include "scheduler/child_process.h"

namespace graft {
namespace {

using std::chrono::steady_clock;

constexpr auto pause = std::chrono::milliseconds(10);

// nullopt: it did not end in time and was killed.
std::optional<ChildEnd> wait_for(pid_t child, std::chrono::milliseconds limit) {
  const auto end = steady_clock::now() + limit;
  while (steady_clock::now() < end) {
    if (const auto ended = reap_child(child)) return ended;
    std::this_thread::sleep_for(pause);
  }
  signal_process(child, SIGKILL);
  while (!reap_child(child)) std::this_thread::sleep_for(pause);
  return std::nullopt;
}

// The last line that says something.
std::string last_line(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string last;
  for (std::string line; std::getline(file, line);)
    if (line.find_first_not_of(" \t\r") != line.npos) last = line;
  return last;
}

BackboneCheck judge(const std::optional<ChildEnd>& end, const std::string& words,
                    std::chrono::milliseconds limit) {
  using Outcome = BackboneCheck::Outcome;
  const std::string said = words.empty() ? "" : ": " + words;
  if (!end)
    return {Outcome::not_checked,
            "did not end within " + std::to_string(limit.count() / 1000) + " s" + said};
  if (end->exit_code == 0) return {};
  if (end->exit_code == 1 && !words.empty()) return {Outcome::refused, words};
  if (end->signal)
    return {Outcome::not_checked, "ended by signal " + std::to_string(*end->signal) + said};
  return {Outcome::not_checked,
          "ended with status " + std::to_string(end->exit_code.value_or(-1)) + said};
}

}  // namespace

BackboneCheck check_backbone(const std::filesystem::path& worker_program,
                             const std::filesystem::path& directory,
                             const std::filesystem::path& output, std::chrono::milliseconds limit) {
  ChildCommand command;
  command.program = worker_program;
  command.arguments = {"check", directory.string()};
  command.environment = worker_environment();
  command.log = output;
  command.dies_with_starter = true;
  std::error_code ignored;
  std::filesystem::remove(output, ignored);
  std::optional<ChildEnd> end;
  try {
    end = wait_for(start_child(command), limit);
  } catch (const std::system_error& error) {
    return {BackboneCheck::Outcome::not_checked, error.what()};
  }
  BackboneCheck check = judge(end, last_line(output), limit);
  std::filesystem::remove(output, ignored);
  return check;
}

}  // namespace graft
