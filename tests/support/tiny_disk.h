// A tiny file system, for tests of a full disk; not there where the test may not mount one.
#pragma once

#include <doctest/doctest.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>

#include "tests/support/scratch_directory.h"

namespace graft {

class TinyDisk {
 public:
  // `options` of a tmpfs, e.g. "size=1m"; over `directory`, or over one of its own.
  explicit TinyDisk(const char* options, const std::filesystem::path& directory = {}) {
    if (directory.empty()) own_.emplace();
    directory_ = own_ ? own_->path() : directory;
    mounted_ = ::mount("tmpfs", directory_.c_str(), "tmpfs", 0, options) == 0;
    if (!mounted_) MESSAGE("skipped: cannot mount a small tmpfs here (", std::strerror(errno), ")");
  }
  ~TinyDisk() {
    if (mounted_) ::umount2(directory_.c_str(), MNT_DETACH);
  }
  TinyDisk(const TinyDisk&) = delete;
  TinyDisk& operator=(const TinyDisk&) = delete;

  bool mounted() const { return mounted_; }
  std::filesystem::path operator/(const std::string& name) const { return directory_ / name; }

 private:
  std::optional<ScratchDirectory> own_;
  std::filesystem::path directory_;
  bool mounted_ = false;
};

}  // namespace graft
