// records.jsonl: what a run reports, one Record a line. Torch-free, thread-safe (no state). parse_*
// throws ProtocolError on malformed input.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "trainer/contract/metrics.h"
#include "trainer/contract/protocol_error.h"
#include "trainer/contract/task_kind.h"
#include "trainer/contract/task_report.h"

namespace graft {

struct RunStarted {
  std::int64_t pid = 0;
  std::string program_version;
  std::string backbone_sha256;
  std::string device;     // "cpu" or "cuda:0"
  std::string processor;  // CPU or GPU model, for people
  int threads = 0;
  std::string order_sha256;  // hash of order_identity(); empty: of a program before checkpoints
  std::string precision;     // fp32 or bf16; empty: of a program before there was a choice
};

// A lane's data is read and checked.
struct DataReady {
  int lane = 0;
  std::int64_t training_rows = 0, validation_rows = 0;
  std::int64_t truncated_rows = 0;                // texts cut at max_length, both splits
  TaskKind task_kind = TaskKind::classification;  // as resolved
  std::vector<std::string> labels;                // in class-id order
  std::int64_t total_steps = 0;
  std::int64_t trainable_parameters = 0;  // adapter and head
};

// At least every 2 seconds while training.
struct Progress {
  int lane = 0;
  std::int64_t step = 0, total_steps = 0;
  int epoch = 0;              // 1-based, the one in progress
  double train_loss = 0;      // mean since the last Progress
  double train_accuracy = 0;  // not a number: the kind has none
  double learning_rate = 0;
  double tokens_per_second = 0;     // real tokens: no padding, evaluation time excluded
  double eta_seconds = 0;           // until the lane's result is there
  std::int64_t trained_tokens = 0;  // since the start of the lane
  // Share of the machine's measured matrix-product peak, 0 to 1; not a number: not known.
  double utilization = std::numeric_limits<double>::quiet_NaN();
};

struct EpochEnded {
  int lane = 0;
  int epoch = 0;
  std::int64_t step = 0;
  Metrics metrics;  // without validation rows: those of training alone
  std::string primary_metric = "valid_accuracy";  // by which epochs are told apart
  bool best = false;                              // best so far, by is_better()
};

// Final numbers of a lane, also inside graft.json of its bundle.
struct LaneMetrics {
  TaskKind task_kind = TaskKind::classification;  // as resolved
  std::string primary_metric = "valid_accuracy";  // by which the best epoch was chosen
  int best_epoch = 0;
  Metrics numbers;  // of the best epoch
  std::int64_t training_rows = 0, validation_rows = 0, truncated_rows = 0;
  std::int64_t steps = 0, trained_tokens = 0, trainable_parameters = 0;
  double training_seconds = 0, tokens_per_second = 0;
};

struct LaneFinished {
  int lane = 0;
  std::string bundle;  // path of result.zip relative to the run directory
  std::string bundle_sha256;
  std::string backbone_sha256;
  std::vector<std::string> labels;
  LaneMetrics metrics;
  std::optional<TaskReport> report;  // none without validation rows
};

// The lane cannot go on; the others do.
struct LaneFailed {
  int lane = 0;
  std::string code;     // e.g. invalid_training_file, out_of_memory, diverged, disk_full
  std::string message;  // for the customer: file, line, member, way out
  std::string param;    // e.g. training_file; empty: none
};

// The whole run cannot go on (missing backbone, wrong hash, no memory).
struct RunFailed {
  std::string code;
  std::string message;
  std::string param;
};

struct RunFinished {
  bool cancelled = false;
};

// Anything else a customer should read in the job's events.
struct Notice {
  int lane = 0;
  std::string level;  // info | warn | error
  std::string message;
};

using RecordBody = std::variant<RunStarted, DataReady, Progress, EpochEnded, LaneFinished,
                                LaneFailed, RunFailed, RunFinished, Notice>;

struct Record {
  double time = 0;  // unix seconds
  RecordBody body;
};

// One line without its newline.
std::string write_record(const Record& record);
Record parse_record(std::string_view line);

std::string write_lane_metrics(const LaneMetrics& metrics);
LaneMetrics parse_lane_metrics(std::string_view text);

}  // namespace graft
