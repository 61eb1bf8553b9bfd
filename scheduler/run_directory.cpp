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
#include "trainer/durable/atomic_file.h"
#include "trainer/durable/descriptor.h"

namespace graft {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const std::string& what, const fs::path& path, int error) {
  throw StorageError(what + " " + path.string() + ": " + std::strerror(error),
                     is_full_disk({error, std::generic_category()}));
}

// For callers who ask whether the disk is full.
template <class Write>
void write_or_fail(const Write& write) {
  try {
    write();
  } catch (const std::system_error& error) {
    throw StorageError(error.what(), is_full_disk(error.code()));
  }
}

void make_directory(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail("cannot make", path, error.value());
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
  write_or_fail([&] {
    write_file_atomically(this->order(), graft::write_order(order) + "\n");
    sync_directory(path_.parent_path());
  });
}

void RunDirectory::write_threads(int threads) const {
  write_or_fail([&] {
    write_file_atomically(threads_file(), write_thread_count(threads), Durability::renamed);
  });
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
  return bool{try_open_file(cancel(), O_WRONLY | O_CREAT)};
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
