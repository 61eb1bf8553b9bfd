// Lock, records, signals, atomic files.
#include "trainer/run_report.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <system_error>
#include <utility>

#include "trainer/log.h"

namespace graft {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

Descriptor open_file(const std::filesystem::path& path, int flags) {
  const int number = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
  if (number < 0) fail("cannot open " + path.string());
  return Descriptor(number);
}

void write_all(const Descriptor& file, std::string_view bytes, const std::string& name) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(file.number(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("cannot write " + name);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

off_t end_of_last_line(const Descriptor& file, off_t end) {
  std::array<char, 4096> piece{};
  while (end > 0) {
    const off_t begin = std::max<off_t>(0, end - static_cast<off_t>(piece.size()));
    const ssize_t count =
        ::pread(file.number(), piece.data(), static_cast<std::size_t>(end - begin), begin);
    if (count != end - begin) fail("cannot read records.jsonl");
    const std::string_view text(piece.data(), static_cast<std::size_t>(count));
    const std::size_t newline = text.rfind('\n');
    if (newline != std::string_view::npos) return begin + static_cast<off_t>(newline) + 1;
    end = begin;
  }
  return 0;
}

bool ended_by_full_disk(const RecordBody& body) {
  const auto* lane = std::get_if<LaneFailed>(&body);
  const auto* run = std::get_if<RunFailed>(&body);
  return (lane != nullptr && lane->code == "disk_full") ||
         (run != nullptr && run->code == "disk_full");
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(number_, other.number_);
  return *this;
}

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

RunReport::RunReport(const std::filesystem::path& run_directory)
    : directory_(run_directory), lock_(open_file(run_directory / "worker.lock", O_RDWR | O_CREAT)) {
  if (::flock(lock_.number(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK)
      throw std::runtime_error("another worker is already at work in " + run_directory.string());
    fail("cannot lock " + run_directory.string());
  }
  records_ = open_file(run_directory / "records.jsonl", O_RDWR | O_CREAT | O_APPEND);
  const off_t end = ::lseek(records_.number(), 0, SEEK_END);
  const off_t whole = end_of_last_line(records_, end);
  if (whole < end && ::ftruncate(records_.number(), whole) != 0)
    fail("cannot shorten records.jsonl");
}

void RunReport::record(RecordBody body) {
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  if (ended_by_full_disk(body)) met_full_disk_ = true;
  const std::string line = write_record({now.count(), std::move(body)}) + "\n";
  const std::lock_guard lock(mutex_);
  const off_t length = ::lseek(records_.number(), 0, SEEK_END);
  try {
    write_all(records_, line, "records.jsonl");
  } catch (...) {
    // Half a line would swallow the next one.
    if (::ftruncate(records_.number(), length) != 0 &&
        ::lseek(records_.number(), 0, SEEK_END) != length)
      log_error("records.jsonl is left with half a line");
    throw;
  }
}

StopSignal::StopSignal() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  if (::sigprocmask(SIG_BLOCK, &signals, nullptr) != 0) fail("cannot block signals");
  signals_ = Descriptor(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (signals_.number() < 0) fail("cannot listen to signals");
}

bool StopSignal::requested() {
  signalfd_siginfo info;
  if (!requested_) requested_ = ::read(signals_.number(), &info, sizeof info) == sizeof info;
  return requested_;
}

void write_file_atomically(const std::filesystem::path& path, std::string_view bytes) {
  std::filesystem::path part = path;
  part += ".part";
  try {
    const Descriptor file = open_file(part, O_WRONLY | O_CREAT | O_TRUNC);
    write_all(file, bytes, path.filename().string());
    if (::fsync(file.number()) != 0) fail("cannot sync " + path.filename().string());
    std::filesystem::rename(part, path);
  } catch (...) {
    ::unlink(part.c_str());
    throw;
  }
  const Descriptor directory = open_file(path.parent_path(), O_RDONLY | O_DIRECTORY);
  if (::fsync(directory.number()) != 0) fail("cannot sync " + path.parent_path().string());
}

}  // namespace graft
