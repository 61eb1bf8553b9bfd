// See blob_store.h. Layout: blobs/ab/abcd… for finished blobs, blobs/tmp/ for those being written.
#include "storage/blob_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

#include "trainer/durable/descriptor.h"
#include "trainer/durable/sha256.h"

namespace graft {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const std::string& what, const fs::path& path, int error) {
  const bool disk_full = is_full_disk(error);
  throw StorageError(
      what + " " + path.string() + ": " + (disk_full ? "the disk is full" : std::strerror(error)),
      disk_full);
}

// Does `work` to a file; what it throws becomes an error of this room.
template <class Work>
auto reported(const std::string& what, const fs::path& path, Work work) {
  try {
    return work();
  } catch (const std::system_error& error) {
    fail(what, path, error.code().value());
  }
}

void sync(const fs::path& path) {
  reported("cannot flush", path, [&] { sync_file(open_file(path, O_RDONLY), path); });
}

void make_directory(const fs::path& path) {
  if (::mkdir(path.c_str(), 0700) == 0) {
    sync(path.has_parent_path() ? path.parent_path() : fs::path("."));
  } else if (errno != EEXIST) {
    fail("cannot make", path, errno);
  }
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

fs::path blob_path(const fs::path& directory, std::string_view sha256) {
  if (!is_sha256(sha256)) {
    throw StorageError("not a SHA-256: " + std::string(sha256), false);
  }
  return directory / sha256.substr(0, 2) / sha256;
}

// The last step of every blob: from now on it is there, also after a power cut.
// False, and nothing done, where `from` lies on another file system.
bool rename_into_place(const fs::path& directory, std::mutex& naming, const fs::path& from,
                       std::string_view sha256) {
  const fs::path target = blob_path(directory, sha256);
  make_directory(target.parent_path());
  const std::lock_guard lock(naming);
  if (::rename(from.c_str(), target.c_str()) != 0) {
    if (errno == EXDEV) {
      return false;
    }
    fail("cannot move " + from.string() + " to", target, errno);
  }
  sync(target.parent_path());
  return true;
}

void copy(const fs::path& path, BlobWriter& writer) {
  const auto source = reported("cannot read", path, [&] { return open_file(path, O_RDONLY); });
  std::vector<std::byte> buffer(1 << 20);
  const auto next = [&] { return read_some(source, buffer.data(), buffer.size(), path); };
  while (const std::size_t bytes = reported("cannot read", path, next)) {
    writer.write(std::span(buffer).first(bytes));
  }
}

// Whether nothing was done to the file for so long; a rename counts.
bool rests_for(const fs::path& file, std::chrono::seconds time) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return false;
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec - status.st_ctim.tv_sec >= time.count();
}

std::string hash_of(const fs::path& file) {
  return reported("cannot read", file, [&] { return sha256_of_file(file); });
}

}  // namespace

struct BlobWriter::State {
  fs::path directory;
  std::shared_ptr<std::mutex> naming;
  fs::path temporary;
  Descriptor descriptor;
  Sha256 digest;
  std::int64_t bytes = 0;

  ~State() {
    if (!temporary.empty()) {
      ::unlink(temporary.c_str());
    }
  }
};

BlobWriter::BlobWriter(fs::path directory, std::shared_ptr<std::mutex> naming)
    : state_(std::make_unique<State>()) {
  state_->naming = std::move(naming);
  state_->directory = std::move(directory);
  std::string name = (state_->directory / "tmp" / "XXXXXX").string();
  state_->descriptor = Descriptor(::mkostemp(name.data(), O_CLOEXEC));
  if (!state_->descriptor) {
    fail("cannot write in", state_->directory / "tmp", errno);
  }
  state_->temporary = name;
}
BlobWriter::~BlobWriter() = default;
BlobWriter::BlobWriter(BlobWriter&&) noexcept = default;
BlobWriter& BlobWriter::operator=(BlobWriter&&) noexcept = default;

void BlobWriter::write(std::span<const std::byte> bytes) {
  assert(state_);
  state_->digest.update(bytes);
  state_->bytes += static_cast<std::int64_t>(bytes.size());
  reported("cannot write", state_->temporary, [&] {
    write_all(state_->descriptor, {reinterpret_cast<const char*>(bytes.data()), bytes.size()},
              state_->temporary);
  });
}

std::int64_t BlobWriter::bytes() const {
  return state_ ? state_->bytes : 0;
}

Blob BlobWriter::finish() {
  assert(state_);
  if (::fchmod(state_->descriptor.number(), 0400) != 0 ||
      ::fsync(state_->descriptor.number()) != 0 || ::close(state_->descriptor.release()) != 0) {
    fail("cannot flush", state_->temporary, errno);
  }
  Blob blob{state_->digest.hex(), state_->bytes};
  rename_into_place(state_->directory, *state_->naming, state_->temporary, blob.sha256);
  state_->temporary.clear();
  state_.reset();
  return blob;
}

BlobStore::BlobStore(fs::path directory)
    : directory_(std::move(directory)), naming_(std::make_shared<std::mutex>()) {
  std::error_code error;
  fs::create_directories(directory_, error);
  if (error) {
    fail("cannot make", directory_, error.value());
  }
  make_directory(directory_ / "tmp");
}

BlobWriter BlobStore::begin() const {
  return BlobWriter(directory_, naming_);
}

Blob BlobStore::put(std::string_view bytes) const {
  BlobWriter writer = begin();
  writer.write(std::as_bytes(std::span(bytes)));
  return writer.finish();
}

Blob BlobStore::adopt(const fs::path& file, std::string_view sha256) const {
  const std::string found = hash_of(file);
  if (found != sha256) {
    throw StorageError(file.string() + " has SHA-256 " + found + " instead of " +
                           std::string(sha256) + ": it was changed or cut short",
                       false);
  }
  std::error_code error;
  const auto size = fs::file_size(file, error);
  if (error) {
    fail("cannot read", file, error.value());
  }
  sync(file);
  ::chmod(file.c_str(), 0400);
  if (!rename_into_place(directory_, *naming_, file, sha256)) {
    BlobWriter writer = begin();
    copy(file, writer);
    writer.finish();
  }
  // Still there after a copy, and after a rename onto another name of the same bytes: a no-op.
  fs::remove(file, error);
  return {found, static_cast<std::int64_t>(size)};
}

fs::path BlobStore::path(std::string_view sha256) const {
  return blob_path(directory_, sha256);
}

bool BlobStore::exists(std::string_view sha256) const {
  std::error_code error;
  return fs::is_regular_file(path(sha256), error);
}

bool BlobStore::verify(std::string_view sha256) const {
  return exists(sha256) && hash_of(path(sha256)) == sha256;
}

void BlobStore::remove(std::string_view sha256) const {
  const fs::path file = path(sha256);
  const std::lock_guard lock(*naming_);
  if (::unlink(file.c_str()) != 0 && errno != ENOENT) {
    fail("cannot remove", file, errno);
  }
}

int BlobStore::sweep(const std::function<bool(const std::string& sha256)>& is_referenced,
                     std::optional<std::chrono::seconds> at_rest) const {
  int removed = 0;
  std::error_code error;
  // Looked at and removed under the lock: a blob that is named anew meanwhile is young and stays.
  const auto remove_file = [&](const fs::path& file) {
    const std::lock_guard lock(*naming_);
    if (at_rest && !rests_for(file, *at_rest)) return;
    removed += fs::remove(file, error) ? 1 : 0;
  };
  // Collected first: what a listing shows of entries that go meanwhile is not defined.
  const auto list = [&error](const fs::path& directory) {
    std::vector<fs::path> entries;
    for (const auto& entry : fs::directory_iterator(directory, error)) {
      entries.push_back(entry.path());
    }
    return entries;
  };
  if (!at_rest) {  // else somebody may be writing them
    for (const fs::path& file : list(directory_ / "tmp")) {
      remove_file(file);
    }
  }
  for (const fs::path& fan : list(directory_)) {
    if (fan.filename() == "tmp") {
      continue;
    }
    for (const fs::path& file : list(fan)) {
      const std::string name = file.filename().string();
      // Anything else was put here by somebody else and stays.
      if (at_rest && !rests_for(file, *at_rest)) {
        continue;
      }
      if (is_sha256(name) && !is_referenced(name)) {
        remove_file(file);
      }
    }
  }
  return removed;
}

}  // namespace graft
