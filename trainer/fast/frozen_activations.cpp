// Blocks of memory, or of files without a name, filled from front to back.
#include "trainer/fast/frozen_activations.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <system_error>

#include "trainer/text/log.h"

namespace graft {
namespace {

constexpr std::size_t block_bytes = std::size_t{8} << 20;
constexpr std::size_t row_alignment = 64;

const std::byte* being_written() {
  static constexpr std::byte mark{};
  return &mark;
}

std::size_t round_up(std::size_t bytes, std::size_t step) {
  return (bytes + step - 1) / step * step;
}

// Whole and backed by disk, or -1 and errno: writing to a hole on a full disk would be a SIGBUS.
int open_unnamed_file(const std::filesystem::path& directory, std::size_t bytes) {
  std::string name = (directory / "frozen.XXXXXX").string();
  const int file = ::mkostemp(name.data(), O_CLOEXEC);
  if (file < 0) return -1;
  ::unlink(name.c_str());
  if (const int error = ::posix_fallocate(file, 0, static_cast<off_t>(bytes)); error != 0) {
    ::close(file);
    errno = error;
    return -1;
  }
  return file;
}

}  // namespace

// A piece of the owner's room, given back at the end.
class MappedBlock {
 public:
  // file: descriptor, or -1 for memory. Throws std::system_error.
  MappedBlock(FrozenActivations& owner, std::size_t bytes, int file)
      : owner_(owner), bytes_(bytes), in_file_(file >= 0) {
    void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                                in_file_ ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, file, 0);
    if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
    data_ = static_cast<std::byte*>(memory);
  }
  ~MappedBlock() {
    ::munmap(data_, bytes_);
    const std::scoped_lock lock(owner_.mutex_);
    (in_file_ ? owner_.file_used_ : owner_.memory_used_) -= bytes_;
  }
  MappedBlock(const MappedBlock&) = delete;
  MappedBlock& operator=(const MappedBlock&) = delete;

  std::byte* data() { return data_; }
  std::size_t size() const { return bytes_; }

 private:
  FrozenActivations& owner_;
  std::byte* data_;
  const std::size_t bytes_;
  const bool in_file_;
};

FrozenActivations::Rows::Rows(FrozenActivations& owner, std::shared_ptr<const void> file,
                              std::size_t rows)
    : owner_(owner), file_(std::move(file)), states_(rows) {}

FrozenActivations::Rows::~Rows() = default;

const std::byte* FrozenActivations::Rows::find(std::size_t row) const {
  const std::byte* const states = states_[row].load(std::memory_order_acquire);
  return states == being_written() ? nullptr : states;
}

void FrozenActivations::Rows::keep(std::size_t row, std::span<const std::byte> states) {
  const std::byte* expected = nullptr;
  if (!states_[row].compare_exchange_strong(expected, being_written())) return;
  const std::size_t bytes = round_up(states.size(), row_alignment);
  std::byte* place = nullptr;
  {
    const std::scoped_lock lock(mutex_);
    if (blocks_.empty() || blocks_.back()->size() - used_ < bytes) {
      if (auto block = owner_.take_block(bytes)) {
        blocks_.push_back(std::move(block));
        used_ = 0;
      }
    }
    if (!blocks_.empty() && blocks_.back()->size() - used_ >= bytes) {
      place = blocks_.back()->data() + used_;
      used_ += bytes;
    }
  }
  if (place) std::memcpy(place, states.data(), states.size());
  states_[row].store(place, std::memory_order_release);
}

FrozenActivations::FrozenActivations(std::filesystem::path directory, Limits limits)
    : directory_(std::move(directory)), limits_(limits) {}

FrozenActivations::~FrozenActivations() = default;

FrozenActivations::Rows& FrozenActivations::rows_of(const std::shared_ptr<const void>& file,
                                                    std::size_t rows, std::size_t layer) {
  const std::pair key{file.get(), layer};
  const auto found = all_.find(key);
  if (found != all_.end()) return *found->second;
  const auto layers_kept = [&](const void* of) {
    return std::count_if(all_.begin(), all_.end(),
                         [&](const auto& entry) { return entry.first.first == of; });
  };
  std::vector<std::pair<const void*, std::size_t>> unused;  // by lanes
  for (const auto& [entry, states] : all_)
    if (states->file_.use_count() <= layers_kept(entry.first)) unused.push_back(entry);
  for (const auto& entry : unused) all_.erase(entry);
  return *all_.emplace(key, std::make_unique<Rows>(*this, file, rows)).first->second;
}

// nullptr: no room.
std::unique_ptr<MappedBlock> FrozenActivations::take_block(std::size_t least_bytes) {
  const std::size_t bytes = round_up(least_bytes, block_bytes);
  const std::scoped_lock lock(mutex_);
  try {
    if (memory_used_ + bytes <= limits_.memory_bytes) {
      auto block = std::make_unique<MappedBlock>(*this, bytes, -1);
      memory_used_ += bytes;
      return block;
    }
    if (file_failed_ || directory_.empty() || file_used_ + bytes > limits_.file_bytes)
      return nullptr;
    std::error_code error;
    const auto space = std::filesystem::space(directory_, error);
    if (error || space.available < limits_.free_disk_bytes + bytes) return nullptr;
    const int file = open_unnamed_file(directory_, bytes);
    if (file < 0) throw std::system_error(errno, std::generic_category(), directory_.string());
    std::unique_ptr<MappedBlock> block;
    try {
      block = std::make_unique<MappedBlock>(*this, bytes, file);
    } catch (...) {
      ::close(file);
      throw;
    }
    ::close(file);  // the map keeps it
    file_used_ += bytes;
    return block;
  } catch (const std::system_error& error) {
    file_failed_ = true;
    log_error(std::string("hidden states are not kept in a file: ") + error.what());
    return nullptr;
  }
}

}  // namespace graft
