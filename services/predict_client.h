// Speaks to the serve worker over its Unix socket: one JSON object a line, an answer for each
// request. Keeps connections for reuse; each call holds one, so calls run side by side.
// Thread-safe; calls block.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "trainer/contract/protocol.h"

namespace graft {

class PredictClient {
 public:
  // timeout: of a call; patience: with a worker that does not listen yet.
  explicit PredictClient(std::filesystem::path socket,
                         std::chrono::milliseconds timeout = std::chrono::seconds(60),
                         std::chrono::milliseconds patience = std::chrono::seconds(15));
  ~PredictClient();
  PredictClient(const PredictClient&) = delete;
  PredictClient& operator=(const PredictClient&) = delete;

  // Sets request.id itself. Waits for a worker that is starting. Throws HttpError: 503 with
  // Retry-After where the worker stays away or is too slow, or goes away during the call; with the
  // worker's own code, 400 where it refuses the inputs and 500 where it cannot use the adapter or
  // the backbone. A connection that the worker closed between calls (it was restarted) is replaced
  // by a fresh one, once.
  PredictResponse predict(PredictRequest request);

  // Whether the worker accepts connections now.
  bool ready();

  // Calls in progress end with a 503, and so do later ones. For the end of a drain.
  void stop();

 private:
  class Connection;
  using Deadline = std::chrono::steady_clock::time_point;

  std::unique_ptr<Connection> take_idle();
  std::unique_ptr<Connection> connect(Deadline deadline);
  std::unique_ptr<Connection> connect_patiently(Deadline deadline);
  void give_back(std::unique_ptr<Connection> connection);
  PredictResponse exchange(Connection& connection, const std::string& line, Deadline deadline);

  const std::filesystem::path socket_;
  const std::chrono::milliseconds timeout_, patience_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;
  std::set<Connection*> in_use_;
  std::uint64_t last_id_ = 0;
  bool stopped_ = false;
};

}  // namespace graft
