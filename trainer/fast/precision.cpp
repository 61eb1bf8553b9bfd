// A short measurement of the products that training consists of.
#include "trainer/fast/precision.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <ctime>
#include <exception>
#include <numeric>
#include <vector>

#include "trainer/fast/product.h"

namespace graft {
namespace {

constexpr std::int64_t depth = 384, rows = 64;
constexpr double clearly_faster = 1.3;

template <class T>
std::vector<T> numbers(std::int64_t count, std::uint32_t seed) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) {
    seed = seed * 1664525u + 1013904223u;
    values.push_back(static_cast<float>(seed >> 8) / 16777216.0f - 0.5f);
  }
  std::vector<T> out(values.size());
  vector_kernels<T>().narrow(values.data(), count, out.data());
  return out;
}

template <class T>
struct Example {
  std::vector<T> left = numbers<T>(rows * depth, 1), panel = numbers<T>(depth * panel_width<T>, 2);
  std::vector<float> result = std::vector<float>(rows * panel_width<T>);

  void multiply(std::int64_t count, float* out) const {
    multiply_panel(left.data(), depth, count, depth, panel.data(), panel_width<T>, panel_width<T>,
                   out, panel_width<T>, false);
  }
};

template <class T>
std::vector<float> widened(const std::vector<T>& values) {
  std::vector<float> out(values.size());
  vector_kernels<T>().widen(values.data(), static_cast<std::int64_t>(values.size()), out.data());
  return out;
}

// Right within rounding, and the same bits for a row alone.
template <class T>
bool sound() {
  Example<T> example;
  example.multiply(rows, example.result.data());
  const std::vector<float> left = widened(example.left), panel = widened(example.panel);
  constexpr std::int64_t pair = sizeof(T) == 2 ? 2 : 1;
  for (const std::int64_t row : {0, 17, 63})
    for (const std::int64_t column : {std::int64_t{0}, std::int64_t{5}, panel_width<T> - 1}) {
      double sum = 0;
      for (std::int64_t k = 0; k < depth; ++k)
        sum +=
            double{left[static_cast<std::size_t>(row * depth + k)]} *
            panel[static_cast<std::size_t>((k / pair * panel_width<T> + column) * pair + k % pair)];
      const float got = example.result[static_cast<std::size_t>(row * panel_width<T> + column)];
      if (!(std::abs(sum - got) < 1e-3)) return false;
    }
  for (const std::int64_t count : {1, 3, 16, 31, 48}) {
    std::vector<float> part(static_cast<std::size_t>(count * panel_width<T>));
    example.multiply(count, part.data());
    if (std::memcmp(part.data(), example.result.data(), part.size() * sizeof(float)) != 0)
      return false;
  }
  return true;
}

double processor_seconds() {  // of the calling thread
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// FLOP/s of the threads that take part, each at the best of a few short runs. By processor time, so
// that other programs on the machine do not decide which precision a job is trained in.
template <class T>
double speed(ThreadPool& threads) {
  try {
    if (!sound<T>()) return 0;
    constexpr int rounds = 6, repetitions = 1000;
    std::vector<double> best(threads.limit());
    threads.run(best.size(), [&](std::size_t task, std::size_t) {
      Example<T> example;
      for (int round = 0; round < rounds; ++round) {
        const double start = processor_seconds();
        for (int i = 0; i < repetitions; ++i) example.multiply(rows, example.result.data());
        const double seconds = processor_seconds() - start;
        best[task] =
            std::max(best[task], 2.0 * rows * depth * panel_width<T> * repetitions / seconds);
      }
      if (sizeof(T) == 2) release_matrix_unit();
    });
    return std::accumulate(best.begin(), best.end(), 0.0);
  } catch (const std::exception&) {  // LibTorch refuses what this CPU cannot
    return 0;
  }
}

}  // namespace

ProductSpeeds measure_products(ThreadPool& threads) {
  return {speed<float>(threads), speed<BFloat16Bits>(threads)};
}

std::optional<Precision> choose_precision(Precision wanted, const ProductSpeeds& speeds) {
  if (wanted == Precision::bf16) {
    if (speeds.bf16 == 0)
      throw PrecisionError("precision bf16 does not work on this CPU; auto or fp32 does");
    return Precision::bf16;
  }
  if (wanted == Precision::automatic && speeds.bf16 > clearly_faster * speeds.fp32)
    return Precision::bf16;
  if (speeds.fp32 == 0) return std::nullopt;
  return Precision::fp32;
}

}  // namespace graft
