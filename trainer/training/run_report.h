// The worker's side of a run directory: the lock that says it lives, and the records.
//
// RunReport may be used by any thread; one record is one write, so readers never see half a line
// but at the very end of the file.
#pragma once

#include <atomic>
#include <filesystem>
#include <mutex>
#include <stdexcept>
#include <string>

#include "trainer/contract/record.h"
#include "trainer/durable/descriptor.h"

namespace graft {

class RunReport {
 public:
  // Takes worker.lock for its life and opens records.jsonl to append, behind its last whole line:
  // an earlier worker may have died within one. Throws std::runtime_error where another worker
  // holds the lock, std::system_error where the directory cannot be used.
  explicit RunReport(const std::filesystem::path& run_directory);

  const std::filesystem::path& directory() const { return directory_; }

  // Appends one line with the time of now. Throws std::system_error, e.g. on a full disk; then
  // nothing of the line stays, and a later record stands on a line of its own.
  void record(RecordBody body);

  // Whether anything was recorded as failed for want of room on the disk.
  bool met_full_disk() const { return met_full_disk_; }

 private:
  std::mutex mutex_;
  std::atomic<bool> met_full_disk_ = false;
  std::filesystem::path directory_;
  Descriptor lock_;
  Descriptor records_;
};

}  // namespace graft
