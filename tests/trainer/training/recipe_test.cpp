// Training runs on the tiny backbone: lanes, repeatability, failures, records.
#include "trainer/training/training_run.h"

#include <doctest/doctest.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "tests/trainer/tiny_run.h"
#include "trainer/bundle/archive.h"
#include "trainer/bundle/export_adapterhub.h"

namespace graft {
namespace {

double largest_difference(const ArchiveFiles& a, const ArchiveFiles& b, const char* name) {
  const Safetensors left = read_safetensors(a.at(name)), right = read_safetensors(b.at(name));
  REQUIRE(left.tensors.size() == right.tensors.size());
  double largest = 0;
  for (const auto& [key, tensor] : left.tensors)
    largest = std::max(
        largest,
        (float_tensor(tensor) - float_tensor(right.tensors.at(key))).abs().max().item<double>());
  return largest;
}

}  // namespace

TEST_CASE("different lanes trained together equal the same lanes trained alone") {
  const ScratchDirectory scratch;
  const std::string backbone = backbone_with_dropout(scratch).string();
  std::vector<LaneOrder> lanes = three_lanes(scratch);
  for (const LaneOrder& lane : partly_frozen_lanes(scratch)) lanes.push_back(lane);
  Order together = tiny_order(lanes);
  together.backbone_directory = backbone;
  const auto records = run(together, scratch.path() / "together");
  CHECK(all<LaneFinished>(records).size() == lanes.size());
  for (int k = 0; k < static_cast<int>(lanes.size()); ++k) {
    CAPTURE(k);
    Order alone = tiny_order({lanes[static_cast<std::size_t>(k)]});
    alone.backbone_directory = backbone;
    const auto directory = scratch.path() / ("alone" + std::to_string(k));
    const auto own = run(alone, directory);
    const auto epochs = all<EpochEnded>(records, k), own_epochs = all<EpochEnded>(own);
    REQUIRE(epochs.size() == own_epochs.size());
    for (std::size_t e = 0; e < epochs.size(); ++e) {
      const Metrics &together = epochs[e].metrics, &apart = own_epochs[e].metrics;
      for (const char* loss : {"train_loss", "valid_loss"})
        CHECK(std::abs(together.get(loss).value() - apart.get(loss).value()) < 1e-5);
      CHECK(together.get("valid_accuracy") == apart.get("valid_accuracy"));
    }
    const ArchiveFiles mine = bundle(scratch.path() / "together", k), other = bundle(directory, 0);
    CHECK(largest_difference(mine, other, "adapter.safetensors") < 1e-5);
    CHECK(largest_difference(mine, other, "model_head.safetensors") < 1e-5);
    CHECK(mine.contains("layer_norm.safetensors") == (k == 2));
    if (k == 2) CHECK(largest_difference(mine, other, "layer_norm.safetensors") < 1e-5);
  }
}

TEST_CASE("the same order gives the same bytes, another seed others") {
  const ScratchDirectory scratch;
  Order order = tiny_order({tiny_lane(scratch, "a", 3, 60, 1)});
  order.backbone_directory = backbone_with_dropout(scratch).string();
  run(order, scratch.path() / "first");
  run(order, scratch.path() / "second");
  order.lanes[0].seed = 2;
  run(order, scratch.path() / "third");
  const ArchiveFiles first = bundle(scratch.path() / "first", 0);
  const ArchiveFiles second = bundle(scratch.path() / "second", 0);
  for (const char* name : {"adapter.safetensors", "model_head.safetensors", "pytorch_adapter.bin",
                           "pytorch_model_head.bin", "adapter_config.json"})
    CHECK(first.at(name) == second.at(name));
  CHECK(first.at("adapter.safetensors") !=
        bundle(scratch.path() / "third", 0).at("adapter.safetensors"));
}

TEST_CASE("a lane learns, counts what it did and hashes its bundle") {
  const ScratchDirectory scratch;
  LaneOrder lane = tiny_lane(scratch, "a", 3, 240, 1);
  lane.n_epochs = 20;
  const auto records = run(tiny_order({lane}), scratch.path() / "run");
  const auto ready = all<DataReady>(records);
  REQUIRE(ready.size() == 1);
  CHECK(ready[0].training_rows == 192);
  CHECK(ready[0].validation_rows == 48);
  CHECK(ready[0].total_steps == 480);
  CHECK(ready[0].labels == std::vector<std::string>{"bad", "good", "rain"});
  // Houlsby 2L(2hm + m + h), head h*h + h + C*h + C
  CHECK(ready[0].trainable_parameters == 4 * (2 * 16 * 8 + 8 + 16) + 16 * 16 + 16 + 3 * 16 + 3);
  const auto finished = all<LaneFinished>(records);
  REQUIRE(finished.size() == 1);
  CHECK(finished[0].metrics.numbers.get("valid_accuracy").value() > 0.85);
  CHECK(finished[0].metrics.steps == 480);
  CHECK(finished[0].bundle_sha256 == sha256_of_file(scratch.path() / "run" / finished[0].bundle));
  const auto epochs = all<EpochEnded>(records);
  CHECK(epochs.size() == 20);
  const auto best =
      std::max_element(epochs.begin(), epochs.end(), [](const auto& a, const auto& b) {
        const auto left = a.metrics.get("valid_accuracy"), right = b.metrics.get("valid_accuracy");
        return left != right ? left < right
                             : a.metrics.get("valid_loss") > b.metrics.get("valid_loss");
      });
  CHECK(finished[0].metrics.best_epoch == best->epoch);
  CHECK(all<Progress>(records).back().step == 480);
  REQUIRE(all<RunFinished>(records).size() == 1);
  CHECK_FALSE(all<RunFinished>(records)[0].cancelled);
}

TEST_CASE("a lane that diverges or has bad data fails alone, with the reason") {
  const ScratchDirectory scratch;
  LaneOrder wild = tiny_lane(scratch, "wild", 3, 40, 1);
  wild.learning_rate = 1e30;
  const LaneOrder good = tiny_lane(scratch, "good", 2, 40, 2);
  LaneOrder bad = tiny_lane(scratch, "bad", 2, 40, 3);
  write_text(bad.training_file.path, "{\"text\": \"the cat\"}\n");
  LaneOrder far = tiny_lane(scratch, "far", 2, 40, 4);
  far.max_length = 65;
  const auto records = run(tiny_order({wild, good, bad, far}), scratch.path() / "run");
  const auto failed = all<LaneFailed>(records);
  REQUIRE(failed.size() == 3);
  std::map<int, LaneFailed> by_lane;
  for (const LaneFailed& failure : failed) by_lane[failure.lane] = failure;
  CHECK(by_lane.at(0).code == "diverged");
  CHECK(by_lane.at(2).code == "invalid_training_file");
  CHECK(by_lane.at(2).param == "training_file");
  CHECK(by_lane.at(2).message.find("bad.jsonl") != std::string::npos);
  CHECK(by_lane.at(3).param == "max_length");
  REQUIRE(all<LaneFinished>(records).size() == 1);

  const auto alone = scratch.path() / "alone";
  run(tiny_order({good}), alone);
  CHECK(largest_difference(bundle(scratch.path() / "run", 1), bundle(alone, 0),
                           "adapter.safetensors") < 1e-5);
}

TEST_CASE("a lane that leaves out layers the backbone has not, or not in order, is refused") {
  const ScratchDirectory scratch;
  std::vector<LaneOrder> lanes;
  for (const std::vector<int>& leave_out : {std::vector<int>{2}, {-1}, {1, 0}, {0, 0}}) {
    lanes.push_back(tiny_lane(scratch, "lane" + std::to_string(lanes.size()), 2, 20, 1));
    lanes.back().leave_out = leave_out;
  }
  const auto failed = all<LaneFailed>(run(tiny_order(lanes), scratch.path() / "run"));
  REQUIRE(failed.size() == 4);
  for (const LaneFailed& failure : failed) {
    CHECK(failure.code == "invalid_leave_out");
    CHECK(failure.param == "adapter.leave_out");
    CHECK(failure.message.find("0 to 1") != std::string::npos);
  }
}

TEST_CASE("a lane that diverges where an epoch ends is not measured and leaves no version") {
  const ScratchDirectory scratch;
  LaneOrder wild = tiny_lane(scratch, "wild", 2, 40, 1);
  wild.learning_rate = 1e30;
  wild.batch_size = 64;  // a step an epoch
  wild.n_epochs = 1;
  std::vector<LaneOrder> lanes = lanes_of_other_kinds(scratch);
  for (LaneOrder& lane : lanes) {
    lane.learning_rate = 1e30;
    lane.batch_size = 64;
    lane.n_epochs = 1;
  }
  lanes.push_back(wild);
  const auto records = run(tiny_order(lanes), scratch.path() / "run");
  for (int lane = 0; lane < 3; ++lane) {
    const auto failed = all<LaneFailed>(records, lane);
    REQUIRE(failed.size() == 1);
    CHECK(failed[0].code == "diverged");
    CHECK(all<LaneFinished>(records, lane).empty());
  }
}

TEST_CASE("a wish to stop ends the run at the next step without a bundle") {
  const ScratchDirectory scratch;
  int steps = 0;
  const auto records = run(tiny_order({tiny_lane(scratch, "a", 2, 40, 1)}), scratch.path() / "run",
                           [&] { return ++steps > 3; });
  CHECK(all<LaneFinished>(records).empty());
  REQUIRE(all<RunFinished>(records).size() == 1);
  CHECK(all<RunFinished>(records)[0].cancelled);
}

TEST_CASE("long texts are cut and counted once") {
  const ScratchDirectory scratch;
  LaneOrder lane = tiny_lane(scratch, "a", 2, 40, 1);
  lane.max_length = 4;
  const auto records = run(tiny_order({lane}), scratch.path() / "run");
  const auto ready = all<DataReady>(records);
  REQUIRE(ready.size() == 1);
  CHECK(ready[0].truncated_rows > 20);
  CHECK(ready[0].truncated_rows <= 40);
  for (const Notice& notice : all<Notice>(records))  // what customers read is made of the record
    CHECK(notice.message.find("cut") == std::string::npos);
}

TEST_CASE("a gradient is scaled down to the clip, and one below it is left alone") {
  const ScratchDirectory scratch;
  const auto weights = [&](const std::string& name, double clip) {
    LaneOrder lane = tiny_lane(scratch, name, 2, 40, 1);
    lane.gradient_clip = clip;
    lane.adapter_name = "same";  // it is part of the tensors' names
    run(tiny_order({lane}), scratch.path() / name);
    return bundle(scratch.path() / name, 0);
  };
  const ArchiveFiles far = weights("far", 1000), farther = weights("farther", 900),
                     tight = weights("tight", 0.001);
  CHECK(largest_difference(far, farther, "adapter.safetensors") == 0);
  CHECK(largest_difference(far, tight, "adapter.safetensors") > 0);
}

TEST_CASE("without validation rows the last epoch counts") {
  const ScratchDirectory scratch;
  LaneOrder lane = tiny_lane(scratch, "a", 2, 40, 1);
  lane.validation_fraction = 0;
  const auto records = run(tiny_order({lane}), scratch.path() / "run");
  const auto finished = all<LaneFinished>(records);
  REQUIRE(finished.size() == 1);
  CHECK(finished[0].metrics.best_epoch == 2);
  CHECK_FALSE(finished[0].metrics.numbers.get("valid_loss"));
}

TEST_CASE("three rows of three classes are learned; numbers that do not exist are nowhere") {
  const ScratchDirectory scratch;
  LaneOrder lane = tiny_lane(scratch, "a", 3, 3, 1);
  lane.n_epochs = 3;
  for (const double fraction : {0.0, 0.1}) {  // of one row a class none can be spared
    lane.validation_fraction = fraction;
    const auto directory = scratch.path() / ("run" + std::to_string(fraction));
    const auto records = run(tiny_order({lane}), directory);
    const auto epochs = all<EpochEnded>(records);
    REQUIRE(epochs.size() == 3);
    for (const EpochEnded& epoch : epochs) {
      CHECK(std::isfinite(epoch.metrics.get("train_loss").value()));
      CHECK_FALSE(epoch.metrics.get("valid_loss"));
      CHECK_FALSE(epoch.metrics.get("valid_accuracy"));
      CHECK_FALSE(epoch.metrics.get("valid_macro_f1"));
      CHECK(epoch.best);
    }
    REQUIRE(all<LaneFinished>(records).size() == 1);
    CHECK(all<LaneFinished>(records)[0].metrics.best_epoch == 3);
    for (const std::string& text :
         {read_text(directory / "records.jsonl"), bundle(directory, 0).at("graft.json")}) {
      CHECK(text.find("valid_loss") == std::string::npos);
      CHECK(text.find("nan") == std::string::npos);
    }
  }
}

TEST_CASE("a second worker is refused the run directory of a living one") {
  const ScratchDirectory scratch;
  const RunReport first(scratch.path());
  CHECK_THROWS_WITH_AS(RunReport(scratch.path()),
                       doctest::Contains("another worker is already at work"), std::runtime_error);
}

}  // namespace graft
