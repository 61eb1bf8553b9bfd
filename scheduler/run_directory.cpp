// Files of a run directory that the scheduler makes, reads for people, and removes.
#include "scheduler/run_directory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <system_error>
#include <vector>

#include "storage/database.h"

namespace graft {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const std::string& what, const fs::path& path, int error) {
  throw StorageError(what + " " + path.string() + ": " + std::strerror(error),
                     error == ENOSPC || error == EDQUOT);
}

class Descriptor {
 public:
  Descriptor(const fs::path& path, int flags) : path_(path) {
    do {
      number_ = ::open(path.c_str(), flags | O_CLOEXEC, 0640);
    } while (number_ < 0 && errno == EINTR);
    if (number_ < 0) fail("cannot open", path, errno);
  }
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::write(number_, bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail("cannot write", path_, errno);
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
  }
  void sync() {
    if (::fsync(number_) != 0) fail("cannot sync", path_, errno);
  }

 private:
  fs::path path_;
  int number_ = -1;
};

void make_directory(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail("cannot make", path, error.value());
}

void sync_directory(const fs::path& path) {
  Descriptor(path, O_RDONLY | O_DIRECTORY).sync();
}

// Empty where it cannot be read.
std::string small_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

char printable(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte > 0x7e ? '?' : c;
}

}  // namespace

RunDirectory::RunDirectory(const fs::path& runs_directory, std::string_view run_id)
    : path_(runs_directory / run_id) {}

std::optional<fs::path> RunDirectory::file(std::string_view relative) const {
  const fs::path name(relative);
  if (relative.empty() || name.is_absolute()) return std::nullopt;
  for (const fs::path& part : name) {
    if (part == "..") return std::nullopt;
  }
  return path_ / name;
}

void RunDirectory::write_order(const Order& order) const {
  make_directory(path_);
  const fs::path temporary = path_ / "order.json.new";
  {
    Descriptor file(temporary, O_WRONLY | O_CREAT | O_TRUNC);
    file.write(graft::write_order(order));
    file.write("\n");
    file.sync();
  }
  if (::rename(temporary.c_str(), this->order().c_str()) != 0) {
    fail("cannot rename", temporary, errno);
  }
  sync_directory(path_);
  sync_directory(path_.parent_path());
}

void RunDirectory::write_threads(int threads) const {
  const fs::path temporary = path_ / "threads.new";
  Descriptor(temporary, O_WRONLY | O_CREAT | O_TRUNC).write(write_thread_count(threads));
  if (::rename(temporary.c_str(), threads_file().c_str()) != 0) {
    fail("cannot rename", temporary, errno);
  }
}

std::optional<int> RunDirectory::threads() const {
  return parse_thread_count(small_file(threads_file()));
}

std::optional<int> RunDirectory::order_threads() const {
  try {
    return std::max(parse_order(small_file(order())).threads, 1);
  } catch (const ProtocolError&) {
    return std::nullopt;
  }
}

bool RunDirectory::ask_to_cancel() const {
  try {
    const Descriptor made(cancel(), O_WRONLY | O_CREAT);
    return true;
  } catch (const StorageError&) {
    return false;
  }
}

std::string RunDirectory::log_ending(std::size_t max_length) const {
  std::ifstream file(log(), std::ios::binary | std::ios::ate);
  if (!file) return {};
  const auto size = static_cast<std::int64_t>(file.tellg());
  const std::int64_t wanted = std::min<std::int64_t>(size, 4096);
  std::string text(static_cast<std::size_t>(wanted), '\0');
  file.seekg(size - wanted);
  if (!file.read(text.data(), wanted)) return {};

  std::vector<std::string> lines;  // last first
  std::size_t length = 0;
  while (!text.empty() && lines.size() < 3) {
    const std::size_t newline = text.rfind('\n');
    std::string line = newline == std::string::npos ? text : text.substr(newline + 1);
    text.resize(newline == std::string::npos ? 0 : newline);
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    std::transform(line.begin(), line.end(), line.begin(), printable);
    if (length + line.size() > max_length) {
      if (lines.empty()) lines.push_back("..." + line.substr(line.size() - max_length));
      break;
    }
    length += line.size();
    lines.push_back(std::move(line));
  }
  std::string ending;
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    if (!ending.empty()) ending += " | ";
    ending += *line;
  }
  return ending;
}

void RunDirectory::remove() const {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

int remove_other_runs(const fs::path& runs_directory,
                      const std::function<bool(const std::string&)>& needed) {
  std::error_code error;
  std::vector<fs::path> unneeded;
  for (fs::directory_iterator entry(runs_directory, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code ignored;
    if (entry->is_directory(ignored) && !needed(entry->path().filename().string())) {
      unneeded.push_back(entry->path());
    }
  }
  int removed = 0;
  for (const fs::path& path : unneeded) {
    fs::remove_all(path, error);
    if (!error) ++removed;
  }
  return removed;
}

}  // namespace graft
