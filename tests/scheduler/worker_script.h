// A worker program of a few shell lines, and waiting for what a real process does.
#pragma once

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <thread>

namespace graft {

inline std::filesystem::path write_script(const std::filesystem::path& path,
                                          const std::string& lines) {
  std::ofstream(path) << "#!/bin/sh\n" << lines;
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  return path;
}

// Takes the run directory's lock as a worker does.
inline const std::string take_lock =
    "cd \"$2\" || exit 9\n"
    "exec 9>>worker.lock\n"
    "flock -n 9 || exit 3\n";

inline std::string file_text(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

// Another process' doing has no signal to wait for: looked at until it is so, or 20 seconds passed.
inline bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

}  // namespace graft
