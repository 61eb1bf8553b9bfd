// A few bytes, read anew each time: a step takes a thousand times as long.
#include "trainer/training/thread_limit.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <system_error>

#include "trainer/contract/order.h"
#include "trainer/durable/descriptor.h"
#include "trainer/text/log.h"

namespace graft {

ThreadLimit::ThreadLimit(const std::filesystem::path& run_directory, int most)
    : path_(run_directory / "threads"), most_(most), threads_(most) {
  read();
}

// What cannot be read changes nothing.
void ThreadLimit::read() {
  const Descriptor file = try_open_file(path_, O_RDONLY);
  if (!file) return;
  char text[16];
  const ssize_t size = ::read(file.number(), text, sizeof text);
  if (size <= 0) return;
  const auto count = parse_thread_count({text, static_cast<std::size_t>(size)});
  if (count) threads_ = std::min(*count, most_);
}

void ThreadLimit::follow(ThreadPool& pool,
                         const std::function<void(std::size_t, std::size_t)>& changed) {
  const int before = threads_;
  read();
  if (threads_ == before) return;
  const std::size_t limit = pool.limit();
  try {
    pool.set_limit(threads_);
  } catch (const std::system_error& error) {
    log_error("computing with " + std::to_string(limit) + " threads instead of " +
              std::to_string(threads_) + ": " + error.what());
    return;
  }
  log_info("computing with " + std::to_string(pool.limit()) + " threads");
  changed(limit, pool.limit());
}

}  // namespace graft
