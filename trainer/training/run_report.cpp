// The lock, and records as whole lines.
#include "trainer/training/run_report.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "trainer/text/log.h"
#include "trainer/training/clock.h"

namespace graft {
namespace {

off_t end_of_last_line(const Descriptor& file, off_t end) {
  std::array<char, 4096> piece{};
  while (end > 0) {
    const off_t begin = std::max<off_t>(0, end - static_cast<off_t>(piece.size()));
    const ssize_t count =
        ::pread(file.number(), piece.data(), static_cast<std::size_t>(end - begin), begin);
    if (count != end - begin) throw_errno("cannot read records.jsonl");
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

RunReport::RunReport(const std::filesystem::path& run_directory)
    : directory_(run_directory), lock_(open_file(run_directory / "worker.lock", O_RDWR | O_CREAT)) {
  if (::flock(lock_.number(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK)
      throw std::runtime_error("another worker is already at work in " + run_directory.string());
    throw_errno("cannot lock " + run_directory.string());
  }
  records_ = open_file(run_directory / "records.jsonl", O_RDWR | O_CREAT | O_APPEND);
  const off_t end = ::lseek(records_.number(), 0, SEEK_END);
  const off_t whole = end_of_last_line(records_, end);
  if (whole < end && ::ftruncate(records_.number(), whole) != 0)
    throw_errno("cannot shorten records.jsonl");
}

void RunReport::record(RecordBody body) {
  if (ended_by_full_disk(body)) met_full_disk_ = true;
  const std::string line = write_record({unix_seconds(), std::move(body)}) + "\n";
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

}  // namespace graft
