// Reads and tokenizes the data of a run's lanes ahead on a thread of its own, one lane after the
// other, so that a lane can train while another's file is being read.
//
// The thread takes no part in LibTorch's work and gives way to the training thread. Made, asked
// and destroyed by one thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "trainer/training/lane.h"

namespace graft {

class LaneFeed {
 public:
  struct Ready {
    int lane = 0;
    LaneInput input;
    std::exception_ptr failure;  // as read_lane_input() threw it; then there is no input
  };

  // Reads the order's lanes of these indices, in this order. The order and the configuration must
  // outlive the feed. Throws TokenizerError, BackboneError where the tokenizer does not fit.
  LaneFeed(const Order& order, const BackboneConfig& config, std::vector<int> lanes);
  ~LaneFeed();  // gives up what is being read
  LaneFeed(const LaneFeed&) = delete;
  LaneFeed& operator=(const LaneFeed&) = delete;

  // The next lane as soon as it is read; nullopt: not within the patience, or there is no more.
  std::optional<Ready> next(std::chrono::milliseconds patience);

  // Every lane was handed out.
  bool exhausted() const { return handed_out_ == lanes_.size(); }

 private:
  void read_all(const std::stop_token& stop);

  const Order& order_;
  const BackboneConfig& config_;
  const std::vector<int> lanes_;
  const Tokenizer tokenizer_;
  std::size_t handed_out_ = 0;

  std::mutex mutex_;  // of ready_
  std::condition_variable changed_;
  std::deque<Ready> ready_;
  std::jthread thread_;  // last: it uses all the others
};

}  // namespace graft
