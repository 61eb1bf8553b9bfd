// The reading thread.
#include "trainer/training/lane_feed.h"

#include <sys/resource.h>

#include <utility>

#include "trainer/model/token_bounds.h"

namespace graft {
namespace {

constexpr int lower_priority = 5;  // nicer than the training thread

std::filesystem::path cache_of(const Order& order) {
  if (order.cache_directory.empty()) return {};
  return std::filesystem::path(order.cache_directory) / "tokens";
}

Tokenizer open_tokenizer(const std::filesystem::path& directory, const BackboneConfig& config) {
  Tokenizer tokenizer = Tokenizer::load(directory);
  check_tokenizer(tokenizer, config);
  return tokenizer;
}

}  // namespace

LaneFeed::LaneFeed(const Order& order, const BackboneConfig& config, std::vector<int> lanes)
    : order_(order),
      config_(config),
      lanes_(std::move(lanes)),
      tokenizer_(open_tokenizer(order.backbone_directory, config)),
      thread_([this](const std::stop_token& stop) { read_all(stop); }) {}

LaneFeed::~LaneFeed() {
  thread_.request_stop();
}

std::optional<LaneFeed::Ready> LaneFeed::next(std::chrono::milliseconds patience) {
  if (exhausted()) return std::nullopt;
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, patience, [&] { return !ready_.empty(); });
  if (ready_.empty()) return std::nullopt;
  Ready ready = std::move(ready_.front());
  ready_.pop_front();
  ++handed_out_;
  return ready;
}

void LaneFeed::read_all(const std::stop_token& stop) {
  ::setpriority(PRIO_PROCESS, 0, ::getpriority(PRIO_PROCESS, 0) + lower_priority);  // this thread's
  const auto stopped = [&] { return stop.stop_requested(); };
  std::optional<TokenCache> tokens;
  for (const int index : lanes_) {
    Ready ready;
    ready.lane = index;
    try {
      if (!tokens)
        tokens.emplace(cache_of(order_), tokenizer_, tokenizer_identity(order_.backbone_directory));
      const LaneOrder& lane = order_.lanes[static_cast<std::size_t>(index)];
      std::optional<LaneInput> input = read_lane_input(lane, config_, *tokens, stopped);
      if (!input) return;
      ready.input = *std::move(input);
    } catch (...) {
      ready.failure = std::current_exception();
    }
    const std::scoped_lock lock(mutex_);
    ready_.push_back(std::move(ready));
    changed_.notify_one();
  }
}

}  // namespace graft
