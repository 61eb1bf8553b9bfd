// order.json: what a run shall train.
//
// A run directory is the whole contract of training:
//   order.json      one Order, written by the scheduler before the worker starts
//   records.jsonl   one Record a line, appended by the worker, read by the scheduler
//   worker.lock     flock held by the worker as long as it lives
//   worker.pid      written by the launcher; believed only while the lock is held
//   threads         how many threads the run may compute with now, replaced by the scheduler as
//   other
//                   runs come and go, read before each step; absent: all of the order's
//   cancel          made by the scheduler: the worker stops at the next step
//   worker.log      the worker's stdout and stderr
//   lane-<k>/       result.zip of lane k, complete before its LaneFinished record is written
//   checkpoint.safetensors  where training goes on after an end too early: docs/checkpoints.md
//
// Torch-free, thread-safe (no state). parse_* throws ProtocolError on malformed input.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/contract/protocol_error.h"
#include "trainer/contract/specification.h"

namespace graft {

// How a worker keeps activations and multiplies: what is fastest on its machine, or one of the two.
enum class Precision { automatic, fp32, bf16 };
std::string_view to_string(Precision precision);
std::optional<Precision> parse_precision(std::string_view text);

struct DataFile {
  std::string path;    // absolute path of the bytes
  std::string name;    // the customer's name for it; its suffix picks the format (.jsonl .csv .tsv)
  std::string sha256;  // of the bytes
};

// A trial's specification and what it is trained on.
struct LaneOrder : Specification {
  std::string trial_id;
  std::string job_id;
  std::string adapter_name;  // AdapterHub's name of it, [a-z0-9_]{1,64}
  std::string task_name;     // the customer's words, for graft.json
  DataFile training_file;
  std::optional<DataFile> validation_file;
};

struct Order {
  std::string run_id;
  std::string backbone_name;       // name the customer chose it by
  std::string backbone_directory;  // Hugging Face directory
  std::string backbone_sha256;     // expected identity; empty: not yet known to the daemon
  std::string program_version;     // of the daemon that wrote the order
  int threads = 1;              // that the run may ever have; the file `threads`: those it has now
  std::string device = "auto";  // auto | cpu | cuda
  // What can be made again is kept below it for other runs; empty or absent: nothing is kept.
  std::string cache_directory;
  Precision precision = Precision::automatic;
  std::vector<LaneOrder> lanes;
};

std::string write_order(const Order& order);
Order parse_order(std::string_view text);

// The file `threads`: a decimal number, at least 1. nullopt: something else stands there.
std::string write_thread_count(int threads);
std::optional<int> parse_thread_count(std::string_view text);

// What of an order decides its results, in a form to hash: no paths, threads or versions.
// backbone_sha256: of the backbone as it is loaded.
std::string order_identity(Order order, const std::string& backbone_sha256);

// The same of one lane of it, whatever its place and its company.
std::string lane_identity(const Order& order, std::size_t lane, const std::string& backbone_sha256);

}  // namespace graft
