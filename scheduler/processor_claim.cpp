// See processor_claim.h. Reading and adding claims is one step under a lock of the directory
// itself. The directory is everybody's, as /tmp is: what lies in it is read, never followed and
// never believed further than a choice of processors.
#include "scheduler/processor_claim.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <sstream>
#include <system_error>
#include <thread>

namespace graft {
namespace {

namespace fs = std::filesystem;

constexpr int lock_attempts = 100;  // somebody who never lets go must not hold a start
constexpr auto lock_pause = std::chrono::milliseconds(10);
constexpr std::size_t longest_claim = 64 * 1024;  // bytes

Descriptor open_directory(const fs::path& path) {
  if (::mkdir(path.c_str(), 0777) == 0) ::chmod(path.c_str(), 01777);  // whatever the umask
  Descriptor directory = open_file(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  for (int attempt = 0; ::flock(directory.number(), LOCK_EX | LOCK_NB) != 0; ++attempt) {
    if (attempt == lock_attempts) throw_errno("cannot lock " + path.string());
    std::this_thread::sleep_for(lock_pause);
  }
  return directory;
}

// The processors of a claim whose daemon lives; none for one that is left over, which is removed.
std::vector<int> living_claim(const fs::path& path) {
  const Descriptor file = try_open_file(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!file) return {};
  if (::flock(file.number(), LOCK_SH | LOCK_NB) == 0) {
    ::unlink(path.c_str());  // another user's stays, and counts for nothing
    return {};
  }
  if (errno != EWOULDBLOCK) return {};
  std::string text(longest_claim, '\0');
  text.resize(read_some(file, text.data(), text.size(), path));
  std::istringstream words(text);
  std::vector<int> processors;
  for (int processor = 0; words >> processor;) processors.push_back(processor);
  return processors;
}

}  // namespace

std::vector<int> choose_processors(const std::vector<int>& allowed, const std::map<int, int>& load,
                                   int count) {
  const auto of = [&](int processor) {
    const auto found = load.find(processor);
    return found == load.end() ? 0 : found->second;
  };
  std::vector<int> chosen = allowed;
  std::sort(chosen.begin(), chosen.end());
  std::stable_sort(chosen.begin(), chosen.end(),
                   [&](int left, int right) { return of(left) < of(right); });
  chosen.resize(std::min(chosen.size(), static_cast<std::size_t>(std::max(count, 1))));
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

fs::path shared_claims_directory() {
  struct stat status {};
  const bool shared = ::stat("/run/lock", &status) == 0 && S_ISDIR(status.st_mode) &&
                      (status.st_mode & 01777) == 01777 && ::access("/run/lock", W_OK) == 0;
  return (shared ? fs::path("/run/lock") : fs::temp_directory_path()) / "graft-processors";
}

ProcessorClaim::ProcessorClaim(const fs::path& directory, const std::vector<int>& allowed,
                               int count) {
  try {
    agree(directory, allowed, count);
  } catch (const std::system_error& error) {
    note_ = error.what();
    processors_ = choose_processors(allowed, {}, count);
  }
}

void ProcessorClaim::agree(const fs::path& directory, const std::vector<int>& allowed, int count) {
  const Descriptor agreed = open_directory(directory);
  std::map<int, int> load;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
    const std::vector<int> claimed = living_claim(entry.path());
    if (!claimed.empty()) ++others_;
    for (const int processor : claimed) ++load[processor];
  }
  processors_ = choose_processors(allowed, load, count);
  std::string text;
  for (const int processor : processors_) text += std::to_string(processor) + "\n";
  // Unlike a process id this is nobody else's in another container on the same directory.
  std::string name = (directory / "XXXXXX").string();
  file_ = Descriptor(::mkostemp(name.data(), O_CLOEXEC));
  if (!file_) throw_errno("cannot make a file in " + directory.string());
  path_ = name;
  ::fchmod(file_.number(), 0644);  // for daemons of other users
  if (::flock(file_.number(), LOCK_EX | LOCK_NB) != 0) throw_errno("cannot lock " + name);
  write_all(file_, text, path_);
}

ProcessorClaim::~ProcessorClaim() {
  if (file_) ::unlink(path_.c_str());
}

}  // namespace graft
