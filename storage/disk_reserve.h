// Room that is kept for deletions: a file in the data directory that is cut shorter when the disk
// is full, because a deletion, too, writes a few pages of the database first. Without it a customer
// could not make room. Thread-safe.
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>

#include "storage/database.h"

namespace graft {

class DiskReserve {
 public:
  // Makes the file where there is room for it. The bytes are for a hundred deletions and more.
  explicit DiskReserve(std::filesystem::path file, std::int64_t bytes = std::int64_t{4} << 20);

  // Fills it up where the disk has as much again beside it. False: it is not whole, so what can
  // wait is not to be written now, or it would take the room that was given up for deletions.
  bool restore();

  // Does `work` to its end or not at all, and once more for each piece of room that can be given
  // while the disk is full. Throws what `work` throws.
  template <class Work>
  auto spend_on(Work work) {
    restore();
    for (;;) {
      try {
        return work();
      } catch (const StorageError& error) {
        if (!error.disk_full || !give()) throw;
      }
    }
  }

 private:
  bool give();

  const std::filesystem::path file_;
  const std::int64_t bytes_;
  std::mutex mutex_;
  std::int64_t held_ = 0;
};

}  // namespace graft
