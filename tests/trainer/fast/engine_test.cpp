// The fast pass against the readable one, which other tests hold against AdapterHub: logits, loss
// and every gradient, with dropout; and that bits depend on neither company nor threads.
#include "trainer/fast/engine.h"

#include <doctest/doctest.h>
#include <torch/torch.h>

#include <cmath>
#include <limits>
#include <map>
#include <optional>

#include "tests/trainer/test_files.h"
#include "trainer/fast/kernels/vector_kernels.h"
#include "trainer/training/optimizer.h"

namespace graft {
namespace {

// Hidden 48, two heads, three layers, everything random: nothing is a multiple of anything nice.
BackboneWeights random_backbone(std::int64_t hidden = 48, std::int64_t intermediate = 100) {
  torch::manual_seed(11);
  BackboneWeights backbone;
  backbone.config.hidden_size = hidden;
  backbone.config.layers = 3;
  backbone.config.heads = 2;
  backbone.config.intermediate_size = intermediate;
  backbone.config.vocabulary_size = 60;
  backbone.config.max_positions = 300;
  const auto linear = [](std::int64_t out, std::int64_t in) {
    return Linear{torch::randn({out, in}) * 0.15, torch::randn({out}) * 0.1};
  };
  const auto norm = [&] {
    return LayerNorm{1 + torch::randn({hidden}) * 0.1, torch::randn({hidden}) * 0.1};
  };
  backbone.word_embeddings = torch::randn({60, hidden});
  backbone.position_embeddings = torch::randn({300, hidden}) * 0.3;
  backbone.token_type_embeddings = torch::randn({2, hidden}) * 0.3;
  backbone.embeddings_norm = norm();
  for (int i = 0; i < 3; ++i) {
    BackboneLayer layer;
    layer.query = linear(hidden, hidden);
    layer.key = linear(hidden, hidden);
    layer.value = linear(hidden, hidden);
    layer.attention_output = linear(hidden, hidden);
    layer.attention_norm = norm();
    layer.intermediate = linear(intermediate, hidden);
    layer.output = linear(hidden, intermediate);
    layer.output_norm = norm();
    backbone.layers.push_back(layer);
  }
  return backbone;
}

TokenizedRows rows_of(const std::vector<int>& lengths) {
  TokenizedRows rows;
  std::uint32_t state = 5;
  for (const int length : lengths) {
    Encoding row;
    for (int i = 0; i < length; ++i) {
      state = state * 1664525u + 1013904223u;
      row.ids.push_back(static_cast<std::int32_t>((state >> 8) % 60));
      row.type_ids.push_back(i > length / 2 ? 1 : 0);
    }
    rows.append(row);
  }
  return rows;
}

struct Trial {
  Trial(const BackboneWeights& backbone, AdapterMethod method, int size, Activation activation,
        bool train_layer_norm, const std::vector<int>& lengths, std::uint64_t seed,
        std::vector<int> leave_out = {})
      : rows(rows_of(lengths)) {
    LaneOrder order;
    order.adapter_name = "trial";
    order.method = method;
    order.size = size;
    order.activation = activation;
    order.train_layer_norm = train_layer_norm;
    order.init_std = 0.2;
    order.seed = seed;
    order.leave_out = std::move(leave_out);
    model = make_task_model(order, {"a", "b", "c"}, backbone);
    initialize(model, order, backbone);
    dropout = DropoutStream(seed, 4, DropoutSite::first_from(frozen_layers(model.adapter)));
    std::vector<at::Tensor*> tensors;
    visit_tensors(model, [&](const std::string&, at::Tensor& t) { tensors.push_back(&t); });
    optimizer = std::make_unique<AdamW>(tensors);
    for (std::size_t r = 0; r < rows.size(); ++r) {
      chosen.push_back(rows.size() - 1 - r);
      targets.push_back(static_cast<std::int32_t>(r % 3));
    }
  }

  LaneStep share() const {
    const Kind& kind = kind_named(TaskKind::classification);
    return {&model, {&rows, chosen}, &kind, kind.batch({}, targets, 3), dropout};
  }

  // Takes the gradients and leaves zeros.
  std::map<std::string, at::Tensor> gradients() {
    std::map<std::string, at::Tensor> found;
    visit_tensors(model, [&](const std::string& key, at::Tensor& tensor) {
      found[key] = tensor.grad().clone();
      tensor.mutable_grad().zero_();
    });
    return found;
  }

  TokenizedRows rows;
  DropoutStream dropout;
  TaskModel model;
  std::unique_ptr<AdamW> optimizer;
  std::vector<std::size_t> chosen;
  std::vector<std::int32_t> targets;
};

std::vector<Trial> trials(const BackboneWeights& backbone) {
  std::vector<Trial> all;
  all.emplace_back(backbone, AdapterMethod::houlsby, 8, Activation::swish, false,
                   std::vector<int>{3, 9, 17, 4, 30, 12, 12, 5}, 1);
  all.emplace_back(backbone, AdapterMethod::pfeiffer, 13, Activation::relu, true,
                   std::vector<int>{40, 2, 7, 7, 7, 100, 21}, 2);
  all.emplace_back(backbone, AdapterMethod::houlsby, 70, Activation::gelu, true,
                   std::vector<int>{5}, 3);
  std::vector<int> many(90, 14);
  many.push_back(250);
  all.emplace_back(backbone, AdapterMethod::pfeiffer, 5, Activation::tanh, false, many, 4);
  all.emplace_back(backbone, AdapterMethod::houlsby, 9, Activation::swish, true,
                   std::vector<int>{8, 3, 60, 22}, 5, std::vector<int>{0});
  all.emplace_back(backbone, AdapterMethod::pfeiffer, 4, Activation::relu, false,
                   std::vector<int>{8, 31, 6, 6, 6}, 6, std::vector<int>{0, 1});
  all.emplace_back(backbone, AdapterMethod::houlsby, 6, Activation::gelu, false,
                   std::vector<int>{19, 4, 5}, 7, std::vector<int>{1});
  all.emplace_back(backbone, AdapterMethod::head, 1, Activation::relu, false,
                   std::vector<int>{12, 5, 5, 40}, 8);
  return all;
}

double relative_distance(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>() / (b.abs().max().item<double>() + 1e-6);
}

}  // namespace

TEST_CASE("the fast pass gives the readable one's loss, logits and gradients, dropout included") {
  const BackboneWeights backbone = random_backbone();
  Engine readable(backbone, {1, Precision::fp32, {}, false});
  for (const Precision precision : {Precision::fp32, Precision::bf16}) {
    if (precision == Precision::bf16 && readable.product_speeds().bf16 == 0) continue;
    CAPTURE(to_string(precision));
    Engine fast(backbone, {2, precision, {}});
    REQUIRE(fast.precision() == precision);
    const double tolerance = precision == Precision::fp32 ? 2e-5 : 1e-1;
    for (Trial& trial : trials(backbone)) {
      CAPTURE(trial.model.adapter.size);
      const LaneStep share = trial.share();
      const LaneStepResult expected = readable.step({&share, 1}).front();
      const auto expected_gradients = trial.gradients();
      const LaneStepResult result = fast.step({&share, 1}).front();
      CHECK(result.loss == doctest::Approx(expected.loss).epsilon(tolerance));
      CHECK(result.tokens == expected.tokens);
      CHECK(result.rows == expected.rows);
      for (const auto& [key, gradient] : trial.gradients()) {
        CAPTURE(key);
        CHECK(relative_distance(gradient, expected_gradients.at(key)) < tolerance);
      }
      CHECK(relative_distance(fast.logits(trial.model, share.rows),
                              readable.logits(trial.model, share.rows)) < tolerance);
    }
  }
}

TEST_CASE("a lane's bits depend neither on its company nor on the number of threads") {
  const BackboneWeights backbone = random_backbone();
  const ProductSpeeds speeds = Engine(backbone, {1, Precision::automatic, {}}).product_speeds();
  for (const Precision precision : {Precision::fp32, Precision::bf16}) {
    if (precision == Precision::bf16 && speeds.bf16 == 0) continue;
    CAPTURE(to_string(precision));
    Engine one(backbone, {1, precision, {}}), three(backbone, {3, precision, {}});
    std::vector<Trial> all = trials(backbone);
    std::vector<LaneStep> shares;
    for (const Trial& trial : all) shares.push_back(trial.share());
    const std::vector<LaneStepResult> together = three.step(shares);
    for (std::size_t i = 0; i < all.size(); ++i) {
      CAPTURE(i);
      const auto expected = all[i].gradients();
      const LaneStepResult alone = one.step({&shares[i], 1}).front();
      CHECK(alone.loss == together[i].loss);
      CHECK(alone.correct == together[i].correct);
      for (const auto& [key, gradient] : all[i].gradients()) {
        CAPTURE(key);
        CHECK(at::equal(gradient, expected.at(key)));
      }
    }
  }
}

TEST_CASE(
    "a lane beside lanes with other frozen layers keeps its dropout, in the readable pass, too") {
  const BackboneWeights backbone = random_backbone();
  Engine readable(backbone, {1, Precision::fp32, {}, false});
  std::vector<Trial> all = trials(backbone);
  std::vector<LaneStep> shares;
  for (const Trial& trial : all) shares.push_back(trial.share());
  const std::vector<LaneStepResult> together = readable.step(shares);
  for (std::size_t i = 0; i < all.size(); ++i) {
    CAPTURE(i);
    all[i].gradients();
    CHECK(readable.step({&shares[i], 1}).front().loss ==
          doctest::Approx(together[i].loss).epsilon(1e-5));
  }
}

TEST_CASE("a lane that the fast pass does not compute takes the readable one, others stay fast") {
  const BackboneWeights backbone = random_backbone();
  Engine readable(backbone, {1, Precision::fp32, {}, false});
  Engine fast(backbone, {2, Precision::fp32, {}});
  REQUIRE(fast.precision() == Precision::fp32);
  std::vector<Trial> all = trials(backbone);
  std::vector<LaneStep> shares;
  for (const Trial& trial : all) shares.push_back(trial.share());
  const std::vector<LaneStepResult> before = fast.step(shares);
  std::vector<std::map<std::string, at::Tensor>> gradients;
  for (Trial& trial : all) gradients.push_back(trial.gradients());

  Trial& other = all[1];
  other.model.head.readout = Readout::mean;
  const LaneStepResult alone = readable.step({&shares[1], 1}).front();
  const auto expected = other.gradients();
  const std::vector<LaneStepResult> together = fast.step(shares);
  for (std::size_t i = 0; i < all.size(); ++i) {
    CAPTURE(i);
    const auto& wanted = i == 1 ? expected : gradients[i];
    CHECK(together[i].loss == (i == 1 ? alone.loss : before[i].loss));
    CHECK(together[i].rows == before[i].rows);
    CHECK(together[i].tokens == before[i].tokens);
    for (const auto& [key, gradient] : all[i].gradients()) {
      CAPTURE(key);
      CHECK(at::equal(gradient, wanted.at(key)));
    }
  }
  CHECK(together[1].loss != before[1].loss);
  CHECK(together[1].flops > before[1].flops);
}

TEST_CASE("the mean is read over a row's own tokens, in any company") {
  const BackboneWeights backbone = random_backbone();
  Engine engine(backbone, {1, Precision::fp32, {}});
  Trial trial(backbone, AdapterMethod::houlsby, 8, Activation::swish, false, {1, 30, 4, 11}, 1);
  const at::Tensor first = engine.logits(trial.model, trial.share().rows);
  trial.model.head.readout = Readout::mean;
  const at::Tensor mean = engine.logits(trial.model, trial.share().rows);
  const auto distance = [](const at::Tensor& a, const at::Tensor& b) {
    return (a - b).abs().max().item<double>();
  };
  for (std::size_t place = 0; place < trial.chosen.size(); ++place) {
    CAPTURE(place);
    const at::Tensor alone = engine.logits(trial.model, {&trial.rows, {&trial.chosen[place], 1}});
    CHECK(distance(mean[static_cast<std::int64_t>(place)], alone[0]) < 1e-4);
    const bool one_token = trial.rows.length(trial.chosen[place]) == 1;
    CHECK((distance(mean[static_cast<std::int64_t>(place)],
                    first[static_cast<std::int64_t>(place)]) < 1e-4) == one_token);
  }
}

TEST_CASE("hidden states wider than the kernels take go through the readable pass") {
  const BackboneWeights backbone = random_backbone(widest_hidden_state + 4, 8);
  Engine engine(backbone, {1, Precision::automatic, {}});
  CHECK(engine.precision() == std::nullopt);
  const Trial trial(backbone, AdapterMethod::pfeiffer, 2, Activation::relu, false, {3, 2}, 1);
  CHECK(std::isfinite(engine.logits(trial.model, trial.share().rows).sum().item<double>()));
}

TEST_CASE("a lane with a parameter that is no number has no loss, at every activation") {
  const BackboneWeights backbone = random_backbone();
  for (const Activation activation : {Activation::swish, Activation::relu, Activation::gelu,
                                      Activation::gelu_new, Activation::tanh}) {
    CAPTURE(to_string(activation));
    Engine engine(backbone, {1, Precision::automatic, {}});
    Trial trial(backbone, AdapterMethod::houlsby, 8, activation, false, {5, 9}, 1);
    {
      const at::NoGradGuard no_gradients;
      trial.model.adapter.layers[1].attention.bottleneck->down.bias[3] =
          std::numeric_limits<double>::quiet_NaN();
    }
    const LaneStep share = trial.share();
    CHECK(std::isnan(engine.step({&share, 1}).front().loss));
  }
}

// The trial's rows as a choice from a file, so that what frozen layers give can be kept.
void move_rows_to_file(Trial& trial) {
  const auto file = std::make_shared<const TokenizedRows>(std::move(trial.rows));
  std::vector<std::uint32_t> all;
  for (std::uint32_t row = 0; row < file->size(); ++row) all.push_back(row);
  trial.rows = TokenizedRows({file->ids, file->type_ids, file->offsets, file}, std::move(all));
}

TEST_CASE("kept states of frozen layers give the bits that computing them again gives") {
  const ScratchDirectory scratch;
  const BackboneWeights backbone = random_backbone();
  const ProductSpeeds speeds = Engine(backbone, {1, Precision::automatic, {}}).product_speeds();
  const FrozenActivations::Limits in_memory{}, in_file{0, std::size_t{1} << 30, 0},
      nowhere{0, 0, 0};
  for (const Precision precision : {Precision::fp32, Precision::bf16}) {
    if (precision == Precision::bf16 && speeds.bf16 == 0) continue;
    CAPTURE(to_string(precision));
    Engine never(backbone, {2, precision, scratch.path(), true, 0, nowhere});
    for (const auto& limits : {in_memory, in_file}) {
      CAPTURE(limits.memory_bytes);
      Engine keeping(backbone, {2, precision, scratch.path(), true, 0, limits});
      for (Trial& trial : trials(backbone)) {
        const std::size_t frozen = frozen_layers(trial.model.adapter);
        CAPTURE(frozen);
        move_rows_to_file(trial);
        const LaneStep share = trial.share();
        const LaneStepResult expected = never.step({&share, 1}).front();
        const auto gradients = trial.gradients();
        const at::Tensor logits = never.logits(trial.model, share.rows);
        for (int round = 0; round < 3; ++round) {
          CAPTURE(round);
          const LaneStepResult result = keeping.step({&share, 1}).front();
          CHECK(result.loss == expected.loss);
          for (const auto& [key, gradient] : trial.gradients())
            CHECK(at::equal(gradient, gradients.at(key)));
          CHECK(at::equal(keeping.logits(trial.model, share.rows), logits));
          const bool kept = round > 0 && frozen > 0;
          CHECK((result.flops < expected.flops) == kept);
        }
      }
    }
  }
}

TEST_CASE("states are shared by lanes of one file, and make room when no lane uses them") {
  FrozenActivations frozen({}, {std::size_t{8} << 20, 0, 0});
  auto file = std::make_shared<const int>(1);
  const std::vector<std::byte> states(std::size_t{3} << 20, std::byte{7});
  FrozenActivations::Rows& rows = frozen.rows_of(file, 4, 2);
  CHECK(&frozen.rows_of(file, 4, 2) == &rows);
  CHECK(&frozen.rows_of(file, 4, 3) != &rows);
  CHECK(rows.find(1) == nullptr);
  for (std::size_t row = 0; row < 3; ++row) rows.keep(row, states);
  REQUIRE(rows.find(1) != nullptr);
  CHECK(rows.find(1)[states.size() - 1] == std::byte{7});
  CHECK(rows.find(2) == nullptr);  // no room
  CHECK(frozen.rows_of(file, 4, 3).find(1) == nullptr);

  const auto other = std::make_shared<const int>(2);
  frozen.rows_of(other, 4, 2).keep(0, states);
  CHECK(frozen.rows_of(other, 4, 2).find(0) == nullptr);  // the first file has all of it
  const std::weak_ptr<const int> gone = file;
  file.reset();
  const auto third = std::make_shared<const int>(3);
  frozen.rows_of(third, 4, 2).keep(0, states);
  CHECK(frozen.rows_of(third, 4, 2).find(0) != nullptr);
  CHECK(gone.expired());
}

TEST_CASE("a model of another shape may lie where one of an ended lane lay") {
  const BackboneWeights backbone = random_backbone();
  Engine engine(backbone, {2, Precision::fp32, {}});
  std::optional<Trial> trial;
  for (const int size : {8, 70, 33, 5}) {
    CAPTURE(size);
    trial.emplace(backbone, size == 33 ? AdapterMethod::pfeiffer : AdapterMethod::houlsby, size,
                  Activation::relu, false, std::vector<int>{5, 9}, 1);
    const LaneStep share = trial->share();
    const double loss = engine.step({&share, 1}).front().loss;
    trial->gradients();
    CHECK(at::equal(engine.logits(trial->model, share.rows),
                    Engine(backbone, {1, Precision::fp32, {}}).logits(trial->model, share.rows)));
    CHECK(loss == Engine(backbone, {1, Precision::fp32, {}}).step({&share, 1}).front().loss);
  }
}

TEST_CASE("packed weights are written once, mapped, and give the same bits") {
  const ScratchDirectory scratch;
  BackboneWeights backbone = random_backbone(64, 128);
  backbone.sha256 = "0123";
  const Trial trial(backbone, AdapterMethod::houlsby, 8, Activation::swish, false, {5, 7}, 1);
  const LaneRows rows = trial.share().rows;
  const at::Tensor in_memory = Engine(backbone, {1, Precision::fp32, {}}).logits(trial.model, rows);
  for (int round = 0; round < 2; ++round)
    CHECK(
        at::equal(Engine(backbone, {1, Precision::fp32, scratch.path()}).logits(trial.model, rows),
                  in_memory));
  CHECK(std::filesystem::exists(scratch.path() / "backbone-0123.fp32.v2"));
}

TEST_CASE("a precision that the CPU does not have is refused in words") {
  CHECK(choose_precision(Precision::automatic, {100, 120}) == Precision::fp32);
  CHECK(choose_precision(Precision::automatic, {100, 200}) == Precision::bf16);
  CHECK(choose_precision(Precision::fp32, {100, 200}) == Precision::fp32);
  CHECK(choose_precision(Precision::automatic, {0, 0}) == std::nullopt);
  CHECK_THROWS_WITH(choose_precision(Precision::bf16, {100, 0}),
                    "precision bf16 does not work on this CPU; auto or fp32 does");
}

}  // namespace graft
