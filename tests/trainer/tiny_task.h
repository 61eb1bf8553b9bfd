// Small data sets that the tiny backbone of tests/reference can learn, and orders for them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/trainer/test_files.h"
#include "trainer/contract/order.h"
#include "trainer/durable/sha256.h"

namespace graft {

// Rows whose label is decided by one word, with some words around it.
inline std::string tiny_rows(int classes, int rows, std::uint64_t seed) {
  static const std::vector<std::string> keys{"good", "bad", "rain", "cat", "two"};
  static const std::vector<std::string> fill{"the", "a",     "film", "is",
                                             "was", "movie", "very", "it"};
  std::string lines;
  std::uint64_t state = seed * 2654435761u + 1;
  const auto draw = [&](std::size_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::size_t>(state >> 33) % below;
  };
  for (int r = 0; r < rows; ++r) {
    const auto label = static_cast<std::size_t>(r % classes);
    std::string text;
    const std::size_t before = draw(5);
    for (std::size_t i = 0; i < before; ++i) text += fill[draw(fill.size())] + " ";
    text += keys[label];
    const std::size_t after = draw(4);
    for (std::size_t i = 0; i < after; ++i) text += " " + fill[draw(fill.size())];
    lines += R"({"text": ")" + text + R"(", "label": ")" + keys[label] + "\"}\n";
  }
  return lines;
}

inline LaneOrder tiny_lane(const ScratchDirectory& scratch, const std::string& name, int classes,
                           int rows, std::uint64_t seed) {
  LaneOrder order;
  order.trial_id = "trial_" + name;
  order.job_id = "job_" + name;
  order.adapter_name = name;
  order.task_name = "the task " + name;
  const auto path = scratch.path() / (name + ".jsonl");
  write_text(path, tiny_rows(classes, rows, seed));
  order.training_file = {path.string(), name + ".jsonl", sha256_of_file(path)};
  order.validation_fraction = 0.2;
  order.size = 8;
  order.learning_rate = 1e-2;
  order.batch_size = 8;
  order.n_epochs = 2;
  order.max_length = 16;
  order.seed = seed;
  return order;
}

inline Order tiny_order(std::vector<LaneOrder> lanes) {
  Order order;
  order.run_id = "run_test";
  order.backbone_name = "tiny";
  order.backbone_directory = tiny_bert().string();
  order.threads = 1;
  order.lanes = std::move(lanes);
  return order;
}

}  // namespace graft
