#include "services/routes/verified_blobs.h"

namespace graft {

bool VerifiedBlobs::check(const BlobStore& blobs, const std::string& sha256) {
  struct stat status {};
  if (::stat(blobs.path(sha256).c_str(), &status) != 0) return false;
  const Signs now{status.st_ino,          status.st_size,        status.st_mtim.tv_sec,
                  status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec};
  {
    const std::lock_guard lock(mutex_);
    const auto found = seen_.find(sha256);
    if (found != seen_.end() && found->second == now) return true;
  }
  if (!blobs.verify(sha256)) return false;
  const std::lock_guard lock(mutex_);
  if (seen_.size() >= most_kept) seen_.clear();
  seen_[sha256] = now;
  return true;
}

}  // namespace graft
