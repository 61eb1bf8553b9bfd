// Data files of a test's own, and what reading them says. Private to the tests of data and plans.
#pragma once

#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/scratch_directory.h"
#include "trainer/text/dataset.h"

namespace graft {

using Strings = std::vector<std::string>;

class Files {
 public:
  DataFile write(const std::string& name, std::string_view text) {
    const std::string path = (directory_ / name).string();
    std::ofstream(path, std::ios::binary) << text;
    return {path, name, ""};
  }

 private:
  ScratchDirectory directory_;
};

std::string error_of(auto&& call) {
  try {
    call();
  } catch (const DataError& error) {
    return error.what();
  }
  return "no error";
}

inline bool mentions(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace graft
