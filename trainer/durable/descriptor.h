// Owner of a file descriptor, and what is done with one: open, read, write all, sync. Torch-free.
// Every failure is a std::system_error that names the file. A Descriptor belongs to one thread at a
// time; the functions have no state.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace graft {

class Descriptor {
 public:
  explicit Descriptor(int number = -1) noexcept : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor() { close(); }

  int number() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }
  int release() noexcept;  // the caller's from now on
  void close() noexcept;

 private:
  int number_;
};

// Close-on-exec. Tries again when interrupted.
Descriptor open_file(const std::filesystem::path& path, int flags, mode_t mode = 0640);

// As open_file, but an empty Descriptor and errno where it cannot be opened.
Descriptor try_open_file(const std::filesystem::path& path, int flags, mode_t mode = 0640) noexcept;

// Up to `size` bytes; 0 at the end. Tries again when interrupted.
std::size_t read_some(const Descriptor& file, void* bytes, std::size_t size,
                      const std::filesystem::path& name);

void write_all(const Descriptor& file, std::string_view bytes, const std::filesystem::path& name);

void sync_file(const Descriptor& file, const std::filesystem::path& name);

// So that a rename or a new name in it outlives a power cut.
void sync_directory(const std::filesystem::path& path);

// Whether an error says that there is no room: ENOSPC, EDQUOT.
bool is_full_disk(const std::error_code& error);
bool is_full_disk(int error_number);

[[noreturn]] void throw_errno(const std::string& what);

}  // namespace graft
