// How many bytes of bodies and long answers are in memory, all together and by client's address, so
// that no client fills it: neither by sending much nor by asking for much and reading slowly.
// Socket thread only. Private to the server.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <map>

namespace graft {

class GatheredBytes {
 public:
  GatheredBytes(std::uint64_t limit, std::uint64_t per_address)
      : limit_(limit), per_address_(per_address) {}

  // What one exchange holds; given back with it at the latest. Both arguments outlive it.
  class Share {
   public:
    Share(GatheredBytes& all, const boost::asio::ip::address& address)
        : all_(all), address_(address) {}
    ~Share() { give_back(); }
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

    // False, and nothing taken: it would be more than may be held.
    bool take(std::uint64_t bytes) {
      const auto same = all_.from_.find(address_);
      const std::uint64_t before = same == all_.from_.end() ? 0 : same->second;
      if (all_.sum_ + bytes > all_.limit_ || before + bytes > all_.per_address_) return false;
      all_.sum_ += bytes;
      all_.from_[address_] = before + bytes;
      held_ += bytes;
      return true;
    }

    void give_back() {
      if (held_ == 0) return;
      all_.sum_ -= held_;
      const auto same = all_.from_.find(address_);
      same->second -= held_;
      if (same->second == 0) all_.from_.erase(same);
      held_ = 0;
    }

   private:
    GatheredBytes& all_;
    const boost::asio::ip::address& address_;
    std::uint64_t held_ = 0;
  };

 private:
  const std::uint64_t limit_, per_address_;
  std::uint64_t sum_ = 0;
  std::map<boost::asio::ip::address, std::uint64_t> from_;
};

}  // namespace graft
