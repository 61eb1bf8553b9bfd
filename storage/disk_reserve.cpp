// See disk_reserve.h.
#include "storage/disk_reserve.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>

#include "trainer/durable/descriptor.h"

namespace graft {
namespace {

constexpr std::int64_t piece = 256 << 10;  // bytes given up at a time: a dozen deletions

// A copy of the data directory may have the file's length without its blocks.
std::int64_t bytes_on_disk(const std::filesystem::path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return 0;
  return std::min<std::int64_t>(status.st_size, status.st_blocks * 512);
}

}  // namespace

DiskReserve::DiskReserve(std::filesystem::path file, std::int64_t bytes)
    : file_(std::move(file)), bytes_(bytes), held_(std::min(bytes, bytes_on_disk(file_))) {
  restore();
}

bool DiskReserve::restore() {
  const std::lock_guard lock(mutex_);
  if (held_ == bytes_) return true;
  std::error_code error;
  const auto space = std::filesystem::space(file_.parent_path(), error);
  const std::int64_t wanted = bytes_ - held_ + bytes_;
  if (error || space.available < static_cast<std::uintmax_t>(wanted)) return false;
  const Descriptor file = try_open_file(file_, O_RDWR | O_CREAT, 0600);
  if (!file) return false;
  if (::posix_fallocate(file.number(), 0, bytes_) != 0) {  // a quota, or somebody was quicker
    if (::ftruncate(file.number(), held_) != 0) held_ = 0;
    return false;
  }
  held_ = bytes_;
  return true;
}

// False: nothing is left.
bool DiskReserve::give() {
  const std::lock_guard lock(mutex_);
  if (held_ == 0) return false;
  held_ = std::max<std::int64_t>(0, held_ - piece);
  return ::truncate(file_.c_str(), held_) == 0;
}

}  // namespace graft
