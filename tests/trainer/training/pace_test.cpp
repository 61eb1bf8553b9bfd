// Estimates of the time left, on made-up timings.
#include "trainer/training/pace.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "trainer/contract/seeded_random.h"

namespace graft {
namespace {

// Between 0 and 1, the same at every run.
double chance(std::uint64_t counter) {
  return static_cast<double>(random_bits(5, counter) >> 11) * 0x1.0p-53;
}

struct SyntheticLane {
  std::vector<std::int64_t> step_tokens;  // of an epoch
  std::int64_t epochs = 3, validation_tokens = 2000;
  std::int64_t step = 0;
  double finished_at = -1;

  std::int64_t steps() const { return static_cast<std::int64_t>(step_tokens.size()) * epochs; }
  std::int64_t tokens_of(std::int64_t s) const {
    return step_tokens[static_cast<std::size_t>(s) % step_tokens.size()];
  }
  LaneWork work() const {
    const auto per_epoch = static_cast<std::int64_t>(step_tokens.size());
    LaneWork work;
    work.steps = steps() - step;
    for (std::int64_t s = step; s < steps(); ++s) work.work += static_cast<double>(tokens_of(s));
    work.evaluations = epochs - step / per_epoch;
    work.evaluation_work = static_cast<double>(validation_tokens);
    return work;
  }
};

SyntheticLane lane(std::uint64_t seed, int steps, std::int64_t epochs, std::int64_t tokens) {
  SyntheticLane lane;
  lane.epochs = epochs;
  for (int s = 0; s < steps; ++s)
    lane.step_tokens.push_back(
        static_cast<std::int64_t>(static_cast<double>(tokens) * (0.5 + chance(seed + s))));
  return lane;
}

struct Guess {
  double at, lane_end;
  std::size_t lane;
};

// Runs the lanes on a machine that is slow at first, noisy, and stalls now and then, and returns
// the largest error over the second half of each lane's time, as a share of what was left; in its
// last tenth, where a single stall is much of what is left, of a tenth of the whole.
double largest_error(std::vector<SyntheticLane> lanes, double slowdown_after = 1e9) {
  Pace pace;
  std::vector<Guess> guesses;
  double now = 0;
  std::uint64_t draw = 1000;
  const auto training = [&] {
    std::vector<std::size_t> indices;
    for (std::size_t i = 0; i < lanes.size(); ++i)
      if (lanes[i].finished_at < 0) indices.push_back(i);
    return indices;
  };
  for (std::int64_t count = 0; !training().empty(); ++count) {
    const std::vector<std::size_t> indices = training();
    std::int64_t tokens = 0;
    for (const std::size_t i : indices) tokens += lanes[i].tokens_of(lanes[i].step);
    double seconds = (0.01 + 1e-4 * static_cast<double>(tokens)) * (0.9 + 0.2 * chance(++draw));
    if (count < 2) seconds *= 20;
    if (chance(++draw) < 0.01) seconds *= 5;
    if (now > slowdown_after) seconds *= 1.5;
    now += seconds;
    pace.add_step(static_cast<double>(tokens), seconds);
    for (const std::size_t i : indices) {
      SyntheticLane& own = lanes[i];
      ++own.step;
      if (own.step % static_cast<std::int64_t>(own.step_tokens.size()) == 0) {
        const double evaluation = 3e-5 * static_cast<double>(own.validation_tokens);
        now += evaluation;
        pace.add_evaluation(static_cast<double>(own.validation_tokens), evaluation);
      }
      if (own.step == own.steps()) {
        now += 0.25;
        pace.add_export(0.25);
        own.finished_at = now;
      }
    }
    const std::vector<std::size_t> left = training();
    std::vector<LaneWork> work;
    for (const std::size_t i : left) work.push_back(lanes[i].work());
    for (std::size_t k = 0; k < left.size(); ++k)
      guesses.push_back({now, now + seconds_to_result(pace, work, k), left[k]});
  }
  double worst = 0;
  for (const Guess& guess : guesses) {
    const double end = lanes[guess.lane].finished_at;
    if (guess.at < end / 2) continue;
    worst = std::max(worst, std::abs(guess.lane_end - end) / std::max(end - guess.at, end / 10));
  }
  return worst;
}

}  // namespace

TEST_CASE("over its second half a lane's estimate is less than a tenth off") {
  CHECK(largest_error({lane(1, 150, 3, 450)}) < 0.1);
  CHECK(largest_error({lane(2, 1500, 2, 450)}) < 0.1);
  CHECK(largest_error({lane(3, 60, 20, 3000)}) < 0.1);
}

TEST_CASE("lanes that leave early make the others' steps cheaper, and the estimate knows") {
  CHECK(largest_error({lane(1, 150, 2, 450), lane(7, 100, 5, 450), lane(9, 300, 3, 300)}) < 0.1);
}

TEST_CASE("an estimate follows a machine that got busier well before the half") {
  const SyntheticLane one = lane(2, 1500, 2, 450);
  CHECK(largest_error({one}, 45) < 0.1);  // of about 200 seconds
}

TEST_CASE("with other threads all that was learnt counts, at another pace") {
  Pace pace;
  for (int i = 0; i < 20; ++i) pace.add_step(500 + 50 * (i % 5), 1.0 + 0.1 * (i % 5));
  pace.add_evaluation(1000, 2.0);
  pace.add_export(0.5);
  const double step = pace.step_seconds(600);
  pace.slow_down(4.0);
  CHECK(pace.step_seconds(600) == doctest::Approx(4 * step));
  CHECK(pace.evaluation_seconds(1000) == doctest::Approx(8.0));
  CHECK(pace.export_seconds() == 0.5);  // one thread's work anyhow
  for (int i = 0; i < 20; ++i) pace.add_step(600, 4 * step);
  CHECK(pace.step_seconds(600) == doctest::Approx(4 * step));
}

TEST_CASE("evaluations and the export count, and before one was seen they are guessed") {
  Pace pace;
  for (int i = 0; i < 10; ++i) pace.add_step(1000, 1.0);
  CHECK(pace.step_seconds(1000) == doctest::Approx(1.0));
  CHECK(pace.step_seconds(500) == doctest::Approx(0.5));
  const LaneWork work{10, 10'000, 2, 5000};
  const double guessed = seconds_to_result(pace, {&work, 1}, 0);
  CHECK(guessed > 10 + 2 * 1.0);
  CHECK(guessed < 10 + 2 * 5.0 + 1.0);
  pace.add_evaluation(5000, 3.0);
  pace.add_export(0.5);
  CHECK(seconds_to_result(pace, {&work, 1}, 0) == doctest::Approx(10 + 2 * 3.0 + 0.5));
}

TEST_CASE("a lane waits for the evaluations and exports of lanes that end before it") {
  Pace pace;
  for (int i = 0; i < 10; ++i) pace.add_step(2000, 2.0);
  pace.add_evaluation(1000, 1.0);
  pace.add_export(0.5);
  const std::vector<LaneWork> lanes{{10, 10'000, 1, 1000}, {20, 20'000, 2, 1000}};
  CHECK(seconds_to_result(pace, lanes, 0) == doctest::Approx(10 * 2.0 + 1 + 1 + 0.5));
  CHECK(seconds_to_result(pace, lanes, 1) == doctest::Approx(10 * 2.0 + 10 * 1.0 + 3 + 1.0));
}

TEST_CASE("before the first step nothing is known, and nothing is not a number") {
  const Pace pace;
  const LaneWork work{10, 1000, 1, 0};
  CHECK(std::isfinite(seconds_to_result(pace, {&work, 1}, 0)));
}

}  // namespace graft
