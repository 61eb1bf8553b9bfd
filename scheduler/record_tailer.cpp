// Tailing of record files; see the header for what it promises.
#include "scheduler/record_tailer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string_view>

#include "trainer/durable/descriptor.h"

namespace graft {
namespace {

class RecordFile {
 public:
  explicit RecordFile(const std::filesystem::path& path)
      : path_(path), descriptor_(try_open_file(path, O_RDONLY)) {
    if (!descriptor_ && errno != ENOENT) fail();
  }

  bool is_missing() const { return !descriptor_; }

  std::int64_t size() const {
    struct stat status {};
    if (::fstat(descriptor_.number(), &status) != 0) fail();
    return status.st_size;
  }

  // Up to `bytes` bytes from `offset` on; fewer only at the end of the file.
  std::string read(std::int64_t offset, std::int64_t bytes) const {
    std::string text(static_cast<std::size_t>(bytes), '\0');
    std::size_t filled = 0;
    while (filled < text.size()) {
      const ssize_t count =
          ::pread(descriptor_.number(), text.data() + filled, text.size() - filled,
                  offset + static_cast<std::int64_t>(filled));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail();
      if (count == 0) break;
      filled += static_cast<std::size_t>(count);
    }
    text.resize(filled);
    return text;
  }

 private:
  [[noreturn]] void fail() const { throw_errno("cannot read " + path_.string()); }

  std::filesystem::path path_;
  Descriptor descriptor_;
};

// What is there from `offset` on, at least up to the first newline where one comes soon enough.
std::string read_chunk(const RecordFile& file, std::int64_t offset, std::int64_t max_bytes) {
  const std::int64_t left = file.size() - offset;
  if (left <= 0) return {};
  std::int64_t wanted = std::min(left, std::max<std::int64_t>(max_bytes, 1));
  std::string chunk = file.read(offset, wanted);
  while (chunk.find('\n') == std::string::npos && wanted < std::min(left, longest_record)) {
    wanted = std::min({wanted * 4, left, longest_record});
    chunk = file.read(offset, wanted);
  }
  return chunk;
}

void add_line(Tail& tail, std::string_view line, std::int64_t end) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (line.empty()) return;
  try {
    tail.records.push_back({parse_record(line), end});
  } catch (const ProtocolError& error) {
    tail.malformed.push_back("before byte " + std::to_string(end) + ": " + error.what());
  }
}

}  // namespace

Tail read_records(const std::filesystem::path& path, std::int64_t offset, std::int64_t max_bytes) {
  Tail tail;
  tail.offset = offset;
  const RecordFile file(path);
  if (file.is_missing()) return tail;

  const std::string chunk = read_chunk(file, offset, max_bytes);
  std::size_t start = 0;
  for (std::size_t newline = chunk.find('\n'); newline != std::string::npos;
       newline = chunk.find('\n', start)) {
    const std::string_view line = std::string_view(chunk).substr(start, newline - start);
    start = newline + 1;
    add_line(tail, line, offset + static_cast<std::int64_t>(start));
  }
  tail.offset = offset + static_cast<std::int64_t>(start);
  const auto read = static_cast<std::int64_t>(chunk.size());
  if (start == 0 && read >= longest_record) {
    tail.malformed.push_back("at byte " + std::to_string(offset) + ": a line without an end");
    tail.offset = offset + read;
  }
  // Where the chunk did not reach the end of the file, more lines may follow.
  tail.exhausted = offset + read >= file.size();
  return tail;
}

std::optional<Record> read_last_record(const std::filesystem::path& path) {
  constexpr std::int64_t window = 64 * 1024;
  const RecordFile file(path);
  if (file.is_missing()) return std::nullopt;
  const std::int64_t start = std::max<std::int64_t>(0, file.size() - window);
  const std::string text = file.read(start, std::min(window, file.size()));
  const std::size_t end = text.rfind('\n');
  if (end == std::string::npos || end == 0) return std::nullopt;
  const std::size_t before = text.rfind('\n', end - 1);
  const std::size_t begin = before == std::string::npos ? 0 : before + 1;
  try {
    return parse_record(std::string_view(text).substr(begin, end - begin));
  } catch (const ProtocolError&) {
    return std::nullopt;
  }
}

}  // namespace graft
