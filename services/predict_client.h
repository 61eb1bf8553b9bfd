// Speaks to the serve worker over its Unix socket: one JSON object a line, an answer for each
// request. A few threads of its own wait for the worker, so that nobody else's do; what comes
// meanwhile queues up to a limit. Keeps connections for reuse. Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "trainer/contract/prediction.h"

namespace graft {

class PredictClient {
 public:
  // timeout: of a call; patience: with a worker that does not listen yet.
  explicit PredictClient(std::filesystem::path socket,
                         std::chrono::milliseconds timeout = std::chrono::seconds(60),
                         std::chrono::milliseconds patience = std::chrono::seconds(15));
  ~PredictClient();  // stops
  PredictClient(const PredictClient&) = delete;
  PredictClient& operator=(const PredictClient&) = delete;

  // Exactly one of the two is set. Called on a thread of the client.
  using Done = std::function<void(std::exception_ptr error, PredictResponse response)>;

  // `done` gets what predict returns or throws; the time-out counts from here. Throws HttpError 429
  // where too many wait already.
  void predict_later(PredictRequest request, Done done);

  // Called, on a thread of the client, when a request that was sent at `since` got no answer in
  // time and nobody else did meanwhile: the worker hangs. Set before the first call.
  using Clock = std::chrono::steady_clock;
  void on_silence(std::function<void(Clock::time_point since)> tell) { tell_ = std::move(tell); }

  // Blocks. Sets request.id itself. Waits for a worker that is starting. Throws HttpError: 503 with
  // Retry-After where the worker stays away or goes away during the call, 504 where it is too slow;
  // with the
  // worker's own code, 400 where it refuses the inputs and 500 where it cannot use the adapter or
  // the backbone. A connection that the worker closed between calls (it was restarted) is replaced
  // by a fresh one, once.
  PredictResponse predict(PredictRequest request);

  // Whether the worker accepts connections and, unless it is at work for a call, answers within a
  // second.
  bool ready();

  // Calls in progress end with a 503, and so do later ones. For the end of a drain.
  void stop();

 private:
  class Connection;
  using Deadline = Clock::time_point;
  struct Waiting {
    PredictRequest request;
    Done done;
    Deadline deadline;
  };

  void serve_queue();
  PredictResponse predict_until(PredictRequest request, Deadline deadline);
  bool at_work_since(Clock::time_point time);
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
  std::function<void(Clock::time_point)> tell_;
  Clock::time_point last_answer_;
  std::deque<Waiting> queue_;
  std::condition_variable queued_;
  std::vector<std::thread> threads_;
};

}  // namespace graft
