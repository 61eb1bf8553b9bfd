// Files of the trainer's tests.
#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/support/scratch_directory.h"

namespace graft {

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

inline std::filesystem::path tiny_bert() {
  return std::filesystem::path(GRAFT_SOURCE_DIR) / "tests/reference/tiny_bert";
}

}  // namespace graft
