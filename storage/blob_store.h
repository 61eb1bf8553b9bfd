// Content-addressed files below <data-dir>/blobs: the name is the SHA-256 of the bytes.
// A blob is complete or absent (temporary file, fsync, rename, fsync of the directory).
// Thread-safe: the file system is its only state. Throws StorageError (disk_full set on ENOSPC).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "storage/database.h"

namespace graft {

struct Blob {
  std::string sha256;  // 64 hex digits
  std::int64_t bytes = 0;
};

// A blob being written; the temporary file disappears unless finish() was called.
class BlobWriter {
 public:
  BlobWriter(std::filesystem::path directory, std::shared_ptr<std::mutex> naming);
  ~BlobWriter();
  BlobWriter(BlobWriter&&) noexcept;
  BlobWriter& operator=(BlobWriter&&) noexcept;
  void write(std::span<const std::byte> bytes);
  std::int64_t bytes() const;
  Blob finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

class BlobStore {
 public:
  // Makes the directory where it is missing.
  explicit BlobStore(std::filesystem::path directory);

  BlobWriter begin() const;
  Blob put(std::string_view bytes) const;
  // Moves a finished file in; throws StorageError where its bytes do not hash to `sha256`.
  Blob adopt(const std::filesystem::path& file, std::string_view sha256) const;

  std::filesystem::path path(std::string_view sha256) const;
  bool exists(std::string_view sha256) const;
  // Reads the whole blob and compares: false where it is missing or its bytes are not its name.
  bool verify(std::string_view sha256) const;
  void remove(std::string_view sha256) const;
  // Removes every blob for which `is_referenced` is false; returns how many files. While others
  // write, only what nobody touched for `at_rest`, which is to be longer than from a blob to its
  // row. Without it temporary files, too.
  int sweep(const std::function<bool(const std::string& sha256)>& is_referenced,
            std::optional<std::chrono::seconds> at_rest = std::nullopt) const;

 private:
  std::filesystem::path directory_;
  // Held while a blob gets its name and while one is removed: neither may come between the other's
  // steps. Shared with the writers.
  std::shared_ptr<std::mutex> naming_;
};

}  // namespace graft
