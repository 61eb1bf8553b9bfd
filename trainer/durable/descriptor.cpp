// See descriptor.h.
#include "trainer/durable/descriptor.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace graft {

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    close();
    number_ = other.release();
  }
  return *this;
}

int Descriptor::release() noexcept {
  return std::exchange(number_, -1);
}

void Descriptor::close() noexcept {
  if (number_ >= 0) ::close(std::exchange(number_, -1));
}

void throw_errno(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

Descriptor try_open_file(const std::filesystem::path& path, int flags, mode_t mode) noexcept {
  int number;
  do {
    number = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (number < 0 && errno == EINTR);
  return Descriptor(number);
}

Descriptor open_file(const std::filesystem::path& path, int flags, mode_t mode) {
  Descriptor file = try_open_file(path, flags, mode);
  if (!file) throw_errno("cannot open " + path.string());
  return file;
}

std::size_t read_some(const Descriptor& file, void* bytes, std::size_t size,
                      const std::filesystem::path& name) {
  ssize_t count;
  do {
    count = ::read(file.number(), bytes, size);
  } while (count < 0 && errno == EINTR);
  if (count < 0) throw_errno("cannot read " + name.string());
  return static_cast<std::size_t>(count);
}

void write_all(const Descriptor& file, std::string_view bytes, const std::filesystem::path& name) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(file.number(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_errno("cannot write " + name.string());
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

void sync_file(const Descriptor& file, const std::filesystem::path& name) {
  if (::fsync(file.number()) != 0) throw_errno("cannot sync " + name.string());
}

void sync_directory(const std::filesystem::path& path) {
  sync_file(open_file(path, O_RDONLY | O_DIRECTORY), path);
}

bool is_full_disk(const std::error_code& error) {
  return error == std::errc::no_space_on_device || error.value() == EDQUOT;
}

bool is_full_disk(int error_number) {
  return is_full_disk(std::error_code(error_number, std::generic_category()));
}

}  // namespace graft
