// Training runs on the tiny backbone, and what they leave.
#pragma once

#include <filesystem>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "tests/trainer/tiny_task.h"
#include "trainer/bundle/archive.h"
#include "trainer/training/training_run.h"

namespace graft {

// A copy of the tiny backbone with dropout on, as real ones have it.
inline std::filesystem::path backbone_with_dropout(const ScratchDirectory& scratch) {
  const auto directory = scratch.path() / "backbone";
  std::filesystem::create_directories(directory);
  for (const char* name : {"model.safetensors", "vocab.txt", "tokenizer_config.json"})
    std::filesystem::copy_file(tiny_bert() / name, directory / name);
  std::string config = read_text(tiny_bert() / "config.json");
  for (const std::string key : {"attention_probs_dropout_prob", "hidden_dropout_prob"}) {
    const std::size_t place = config.find("\"" + key + "\": 0.0");
    REQUIRE(place != std::string::npos);
    config.replace(place, key.size() + 7, "\"" + key + "\": 0.1");
  }
  write_text(directory / "config.json", config);
  return directory;
}

// All that was ever recorded in the directory.
inline std::vector<Record> records_of(const std::filesystem::path& directory) {
  std::vector<Record> records;
  std::istringstream lines(read_text(directory / "records.jsonl"));
  for (std::string line; std::getline(lines, line);) records.push_back(parse_record(line));
  return records;
}

inline std::vector<Record> run(
    const Order& order, const std::filesystem::path& directory,
    const std::function<bool()>& stop = [] { return false; }, const RunOptions& options = {}) {
  std::filesystem::create_directories(directory);
  {
    RunReport report(directory);
    run_training(order, report, stop, options);
  }
  return records_of(directory);
}

template <class Body>
std::vector<Body> all(const std::vector<Record>& records, int lane = -1) {
  std::vector<Body> found;
  for (const Record& record : records)
    if (const Body* body = std::get_if<Body>(&record.body)) {
      if constexpr (requires { body->lane; })
        if (lane >= 0 && body->lane != lane) continue;
      found.push_back(*body);
    }
  return found;
}

inline ArchiveFiles bundle(const std::filesystem::path& directory, int lane) {
  return read_archive(read_text(directory / ("lane-" + std::to_string(lane)) / "result.zip"),
                      1 << 30);
}

// One with adapters in the upper layer alone, one without any.
inline std::vector<LaneOrder> partly_frozen_lanes(const ScratchDirectory& scratch) {
  LaneOrder upper = tiny_lane(scratch, "upper", 3, 60, 4);
  upper.leave_out = {0};
  upper.n_epochs = 3;
  LaneOrder probe = tiny_lane(scratch, "probe", 2, 50, 5);
  probe.method = AdapterMethod::head;
  probe.n_epochs = 4;
  return {upper, probe};
}

inline std::vector<LaneOrder> three_lanes(const ScratchDirectory& scratch) {
  LaneOrder a = tiny_lane(scratch, "a", 3, 60, 1);
  LaneOrder b = tiny_lane(scratch, "b", 2, 41, 2);
  b.size = 5;
  b.method = AdapterMethod::pfeiffer;
  b.activation = Activation::relu;
  b.batch_size = 4;
  b.n_epochs = 1;
  LaneOrder c = tiny_lane(scratch, "c", 5, 75, 3);
  c.size = 16;
  c.learning_rate = 3e-3;
  c.train_layer_norm = true;
  c.weight_decay = 0.01;
  return {a, b, c};
}

// A lane of each kind of task but classification, on rows of its own.
inline std::vector<LaneOrder> lanes_of_other_kinds(const ScratchDirectory& scratch) {
  std::vector<LaneOrder> lanes;
  for (const TaskKind kind : {TaskKind::multi_label, TaskKind::regression}) {
    const std::string name(to_string(kind));
    LaneOrder lane = tiny_lane(scratch, name, 2, 48, 4);
    std::string rows;
    for (int i = 0; i < 48; ++i) {
      const std::string word = i % 3 == 0 ? "cat" : i % 3 == 1 ? "dog" : "cat and dog";
      const std::string labels = i % 3 == 0 ? R"("c")" : i % 3 == 1 ? R"("d")" : R"("c", "d")";
      rows += R"({"text": "the )" + word + " " + std::to_string(i) + R"(", )" +
              (kind == TaskKind::regression ? R"("score": )" + std::to_string(i % 3 * 10 + 100)
                                            : R"("labels": [)" + labels + "]") +
              "}\n";
    }
    write_text(lane.training_file.path, rows);
    lane.training_file.sha256 = sha256_of_file(lane.training_file.path);
    lanes.push_back(lane);
  }
  return lanes;
}

}  // namespace graft
