// Random numbers as pure functions of (seed, counter): the same on any machine, at any time, in any
// company, and with nothing to store in a checkpoint. Hash: splitmix64's finalizer (Steele, Lea,
// Flood 2014, "Fast splittable pseudorandom number generators"). Thread-safe: no state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace graft {

inline constexpr std::uint64_t golden_gamma = 0x9e3779b97f4a7c15;

inline constexpr std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

// The counter-th number of a seed's sequence.
inline constexpr std::uint64_t random_bits(std::uint64_t seed, std::uint64_t counter) {
  return mix(mix(seed + golden_gamma) + counter * golden_gamma);
}

// 0 … count-1 in the order of an epoch (Fisher-Yates; its bias at 64 bits is immeasurable).
inline std::vector<std::size_t> permutation(std::size_t count, std::uint64_t seed,
                                            std::uint64_t epoch) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  const std::uint64_t key = random_bits(seed, epoch);
  for (std::size_t i = count; i > 1; --i) std::swap(order[i - 1], order[random_bits(key, i) % i]);
  return order;
}

}  // namespace graft
