// flock on graftd.lock: the kernel lets go of it with the process, however that ends.
#include "services/data_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "trainer/durable/descriptor.h"

namespace graft {
namespace {

// A directory of ours alone below the system's temporary one.
std::filesystem::path make_private_directory() {
  std::string path = (std::filesystem::temp_directory_path() / "graft.XXXXXX").string();
  if (::mkdtemp(path.data()) == nullptr) {
    throw std::runtime_error("cannot make " + path + ": " + std::strerror(errno));
  }
  return path;
}

Descriptor lock_file(const std::filesystem::path& path) {
  // Close-on-exec: a worker that outlives the daemon must not hold its lock.
  Descriptor file = open_file(path, O_RDWR | O_CREAT, 0600);
  if (::flock(file.number(), LOCK_EX | LOCK_NB) == 0) return file;
  const int failure = errno;
  char pid[24] = {};
  const ssize_t bytes = ::read(file.number(), pid, sizeof pid - 1);
  if (failure != EWOULDBLOCK) {
    throw std::runtime_error("cannot lock " + path.string() + ": " + std::strerror(failure));
  }
  throw std::runtime_error("the data directory " + path.parent_path().string() +
                           " is in use by another graftd" +
                           (bytes > 0 ? " (process " + std::string(pid) + ")" : "") +
                           "; stop that one or choose another --data-dir");
}

}  // namespace

void DataDirectory::make(const std::filesystem::path& path) {
  try {
    if (!std::filesystem::create_directories(path)) return;
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  } catch (const std::filesystem::filesystem_error& error) {
    throw std::runtime_error("cannot make the directory " + path.string() + ": " +
                             error.code().message());
  }
}

DataDirectory::DataDirectory(std::filesystem::path path) : path_(std::move(path)) {
  make(path_);
  make(runs());
  make(cache());
  lock_ = lock_file(path_ / "graftd.lock");
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(lock_.number(), 0) != 0 || ::write(lock_.number(), pid.data(), pid.size()) < 0) {
    // The lock holds without it; the number is for people.
  }
  predict_socket_ = path_ / "serve.sock";
  if (predict_socket_.string().size() < sizeof(sockaddr_un::sun_path)) return;
  socket_directory_ = make_private_directory();
  predict_socket_ = socket_directory_ / "serve.sock";
}

DataDirectory::~DataDirectory() {
  std::error_code ignored;
  if (!socket_directory_.empty()) std::filesystem::remove_all(socket_directory_, ignored);
}

void DataDirectory::refuse_lost_database() const {
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (fs::exists(database(), ignored)) return;
  for (fs::recursive_directory_iterator entry(blobs(), ignored), end; entry != end;
       entry.increment(ignored)) {
    if (!entry->is_regular_file(ignored) || entry->path().parent_path() == blobs() / "tmp")
      continue;
    throw std::runtime_error(database().string() + " is missing, but files of customers lie in " +
                             blobs().string() +
                             ": restore the database, or move both away to begin anew");
  }
}

}  // namespace graft
