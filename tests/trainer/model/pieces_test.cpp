// Small parts: schedule, metrics, dropout masks, order of rows, packing, optimizer.
#include <doctest/doctest.h>
#include <torch/torch.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <set>
#include <thread>

#include "trainer/contract/seeded_random.h"
#include "trainer/fast/thread_pool.h"
#include "trainer/model/batching.h"
#include "trainer/model/dropout.h"
#include "trainer/model/padding.h"
#include "trainer/training/learning_rate.h"
#include "trainer/training/optimizer.h"

namespace graft {
namespace {

TokenizedRows rows_of(const std::vector<int>& lengths) {
  TokenizedRows rows;
  std::int32_t id = 0;
  for (const int length : lengths) {
    Encoding row;
    for (int i = 0; i < length; ++i) {
      row.ids.push_back(id++);
      row.type_ids.push_back(0);
    }
    rows.append(row);
  }
  return rows;
}

}  // namespace

TEST_CASE("the rate climbs to its peak and falls, never to zero") {
  CHECK(warmup_steps(100, 0.1) == 10);
  CHECK(warmup_steps(1, 0.9) == 0);
  CHECK(learning_rate_at(0, 100, 10, 1.0) == doctest::Approx(1.0 / 11));
  CHECK(learning_rate_at(10, 100, 10, 1.0) == doctest::Approx(1.0));
  CHECK(learning_rate_at(55, 100, 10, 1.0) == doctest::Approx(0.5));
  CHECK(learning_rate_at(99, 100, 10, 1.0) == doctest::Approx(1.0 / 90));
  CHECK(learning_rate_at(0, 1, 0, 1.0) == doctest::Approx(1.0));
}

TEST_CASE("a dropout mask depends on seed, step, site, row and element, and keeps its share") {
  const std::vector<std::int64_t> rows{0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  const at::Tensor x = torch::ones({10, 4001});
  const auto site = DropoutSite::attention_output(1);
  const auto dropped = [&](std::uint64_t seed, std::uint64_t step, DropoutSite at_site) {
    return DropoutStream(seed, step).apply(x, rows, at_site, 0.1);
  };
  const at::Tensor one = dropped(7, 3, site);
  CHECK(at::equal(one, dropped(7, 3, site)));
  CHECK_FALSE(at::equal(one, dropped(8, 3, site)));
  CHECK_FALSE(at::equal(one, dropped(7, 4, site)));
  CHECK_FALSE(at::equal(one, dropped(7, 3, DropoutSite::attention_output(2))));
  CHECK_FALSE(at::equal(one[0], one[1]));
  const std::vector<std::int64_t> fifth{5};
  CHECK(at::equal(DropoutStream(7, 3).apply(x.slice(0, 0, 1), fifth, site, 0.1)[0], one[5]));
  CHECK(one.eq(0).to(at::kDouble).mean().item<double>() == doctest::Approx(0.1).epsilon(0.03));
  CHECK(one.mean().item<double>() == doctest::Approx(1.0).epsilon(0.01));
  CHECK(at::equal(DropoutStream().apply(x, rows, site, 0.5), x));
}

TEST_CASE("a part of a row's mask is cut from the whole one") {
  const std::vector<std::uint64_t> key{42};
  const DropoutRule rule = dropout_rule(0.3);
  const std::vector<std::int64_t> start{0}, later{64};
  const at::Tensor whole = dropout_mask(key, start, 700, rule);
  CHECK(at::equal(dropout_mask(key, later, 100, rule)[0], whole[0].slice(0, 64, 164)));
}

TEST_CASE("an epoch's order is a permutation of its own") {
  const auto first = permutation(1000, 1, 0);
  CHECK(std::set(first.begin(), first.end()).size() == 1000);
  CHECK(first == permutation(1000, 1, 0));
  CHECK(first != permutation(1000, 1, 1));
  CHECK(first != permutation(1000, 2, 0));
}

TEST_CASE("packing keeps every token once, rows findable, buckets within a lane") {
  const TokenizedRows a = rows_of({3, 40, 5, 4}), b = rows_of({7, 2});
  const std::vector<std::size_t> chosen_a{2, 0, 1}, chosen_b{1, 0};
  const LaneRows lanes[] = {{&a, chosen_a}, {&b, chosen_b}};
  const PackedBatch batch = pack(lanes);
  CHECK(batch.tokens == 5 + 3 + 40 + 2 + 7);
  CHECK(batch.lane_tokens == std::vector<std::int64_t>{48, 9});
  const at::Tensor firsts = batch.token_ids.index_select(0, batch.first_tokens);
  CHECK(at::equal(firsts, torch::tensor({43, 0, 3, 7, 0}, torch::kLong)));
  CHECK(batch.position_ids.index_select(0, batch.first_tokens).sum().item<std::int64_t>() == 0);
  std::int64_t rows = 0, places = 0;
  for (const AttentionBucket& bucket : batch.buckets) {
    rows += bucket.rows;
    places += bucket.rows * bucket.length;
  }
  CHECK(rows == 5);
  CHECK(places == batch.padded_to_token.numel());
  CHECK(places < 5 * 40);  // the long row is alone
}

TEST_CASE("padding and unpadding are inverse, in values and gradients") {
  const TokenizedRows rows = rows_of({3, 5, 4, 30});
  const std::vector<std::size_t> chosen{0, 1, 2, 3};
  const LaneRows lane{&rows, chosen};
  const PackedBatch batch = pack({&lane, 1});
  REQUIRE(batch.has_padding);
  const at::Tensor x = torch::randn({batch.tokens, 6}).requires_grad_(true);
  const at::Tensor back = unpad(pad(x, batch) * 2, batch);
  CHECK(at::allclose(back, x * 2));
  const at::Tensor weights = torch::randn({batch.tokens, 6});
  (back * weights).sum().backward();
  CHECK(at::allclose(x.grad(), weights * 2));
}

TEST_CASE("AdamW leaves vectors undecayed and clips by the norm over all tensors") {
  at::Tensor matrix = torch::full({1, 1}, 2.0f), vector = torch::full({1}, 2.0f);
  AdamW optimizer({&matrix, &vector});
  ThreadPool threads(2);
  CHECK(optimizer.parameters() == 2);
  const at::Tensor before = optimizer.snapshot();
  (matrix.sum() * 3 + vector.sum() * 4).backward();
  CHECK(optimizer.update(0.1, 0.5, 1.0, threads) == doctest::Approx(5.0));
  CHECK(matrix.grad().item<double>() == 0.0);
  CHECK(vector.item<double>() == doctest::Approx(1.9));
  CHECK(matrix.item<double>() == doctest::Approx(2.0 * 0.95 - 0.1));
  optimizer.restore(before);
  CHECK(matrix.item<double>() == doctest::Approx(2.0));
}

TEST_CASE("AdamW leaves everything as it was where a gradient is not a number") {
  at::Tensor matrix = torch::full({2, 2}, 2.0f);
  AdamW optimizer({&matrix});
  ThreadPool threads(1);
  (matrix.sum() * std::numeric_limits<float>::infinity()).backward();
  CHECK_FALSE(std::isfinite(optimizer.update(0.1, 0.0, 1.0, threads)));
  CHECK(at::equal(matrix.detach(), torch::full({2, 2}, 2.0f)));
}

TEST_CASE("a pool runs every task once and hands on what was thrown") {
  for (const int count : {1, 3}) {
    ThreadPool threads(count);
    for (int round = 0; round < 50; ++round) {
      std::vector<int> done(17, 0);
      threads.run(done.size(), [&](std::size_t task, std::size_t thread) {
        REQUIRE(thread < threads.threads());
        ++done[task];
      });
      CHECK(done == std::vector<int>(17, 1));
    }
    CHECK_THROWS_AS(threads.run(5,
                                [](std::size_t task, std::size_t) {
                                  if (task == 3) throw std::runtime_error("three");
                                }),
                    std::runtime_error);
    threads.run(0, [](std::size_t, std::size_t) {});
  }
}

TEST_CASE("as many threads of a pool take part as its limit says, at any time") {
  ThreadPool threads(4, 2);
  CHECK(threads.threads() == 4);
  CHECK(threads.limit() == 2);
  for (const int limit : {2, 1, 4, 3, 1, 2}) {
    CAPTURE(limit);
    threads.set_limit(limit);
    CHECK(threads.limit() == static_cast<std::size_t>(limit));
    for (int round = 0; round < 20; ++round) {
      // Each waits until all are there: none may be missing, and one more would be seen.
      std::atomic<int> arrived = 0, too_many = 0;
      threads.run(static_cast<std::size_t>(limit), [&](std::size_t, std::size_t thread) {
        too_many += thread >= static_cast<std::size_t>(limit);
        for (++arrived; arrived < limit;) std::this_thread::yield();
      });
      CHECK(arrived == limit);
      CHECK(too_many == 0);
    }
  }
  threads.set_limit(99);
  CHECK(threads.limit() == 4);
  threads.set_limit(0);
  CHECK(threads.limit() == 1);
}

}  // namespace graft
