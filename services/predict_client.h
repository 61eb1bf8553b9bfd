// Speaks to the serve worker over its Unix socket: one JSON object a line, answers in the order of requests.
// Keeps connections for reuse; each call holds one, so calls run side by side. Thread-safe; calls block.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

#include "trainer/protocol.h"

namespace graft {

class PredictClient {
 public:
  explicit PredictClient(std::filesystem::path socket,
                         std::chrono::milliseconds timeout = std::chrono::seconds(60));
  ~PredictClient();
  PredictClient(const PredictClient&) = delete;
  PredictClient& operator=(const PredictClient&) = delete;

  // Sets request.id itself. Throws HttpError: 503 with Retry-After where the worker is away, starting or too slow,
  // 400 where it refuses the inputs, 500 where it cannot use the adapter or backbone.
  // A connection that the worker closed (it was restarted) is tried once more on a fresh one.
  PredictResponse predict(PredictRequest request);

  // Whether the worker accepts connections now.
  bool ready();

  // Calls in progress end with a 503, and so do later ones. For the end of a drain.
  void stop();

 private:
  class Connection;
  int connect_to_worker(std::chrono::steady_clock::time_point deadline);

  const std::filesystem::path socket_;
  const std::chrono::milliseconds timeout_;
  std::mutex mutex_;
  std::vector<int> idle_;    // connections between calls
  std::vector<int> in_use_;  // connections of calls in progress
  std::uint64_t next_id_ = 1;
  bool stopped_ = false;
};

}  // namespace graft
