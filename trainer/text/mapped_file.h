// A whole file seen as read-only memory, shared with every process that maps the same file.
// Mapped MAP_SHARED with PROT_READ: pages live once in RAM, a stray write is a SIGSEGV. The file
// must not shrink while mapped (SIGBUS). Immutable: any thread may read.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string_view>

namespace graft {

// what(): "cannot read /path: No such file or directory"
class MappedFileError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class MappedFile {
 public:
  // Throws MappedFileError where the path is no readable regular file. An empty file is fine.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  // Valid as long as this object (a move keeps them valid).
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::string_view text() const;
  std::size_t size() const { return size_; }

  // Tells the kernel that the bytes are read once from front to back.
  void expect_sequential_reading() const;

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace graft
