// Which blobs were verified, and what the file system said of them then: a range of a big file does
// not hash it all again, a changed file is hashed anew. Thread-safe.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "storage/blob_store.h"

namespace graft {

class VerifiedBlobs {
 public:
  // Whether the blob is whole.
  bool check(const BlobStore& blobs, const std::string& sha256);

 private:
  struct Signs {
    ::ino_t inode;
    ::off_t size;
    std::int64_t modified, modified_ns, changed, changed_ns;
    bool operator==(const Signs&) const = default;
  };
  static constexpr std::size_t most_kept = 10000;

  std::mutex mutex_;
  std::map<std::string, Signs> seen_;
};

}  // namespace graft
