// Replays the kept inputs of a target, each by its name. Part of the normal test programs.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "tests/fuzz/fuzz_target.h"

namespace graft::fuzz {
namespace {

std::vector<std::filesystem::path> files_in(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> files;
  if (!std::filesystem::is_directory(directory)) return files;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    if (entry.is_regular_file()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

std::string bytes_of(const std::filesystem::path& path) {
  std::ostringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  return bytes.str();
}

}  // namespace

void replay(const char* name, Target target) {
  const std::filesystem::path kept = std::filesystem::path(GRAFT_SOURCE_DIR) / "tests/fuzz";
  auto files = files_in(kept / "seeds" / name);
  REQUIRE_MESSAGE(!files.empty(), "no seeds for ", name);
  for (auto& finding : files_in(kept / "findings" / name)) files.push_back(std::move(finding));
  for (const auto& file : files) {
    const std::string input = bytes_of(file);
    CHECK_NOTHROW_MESSAGE(target(input), file.string());
  }
}

}  // namespace graft::fuzz
