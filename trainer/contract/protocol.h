// What graftd and graft-worker say to each other, and the only place that turns it into JSON and
// back.
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
// Prediction speaks one JSON object a line over a Unix socket: PredictRequest, PredictResponse.
// Torch-free, thread-safe (no state). Every parse_* throws ProtocolError on malformed input.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace graft {

inline constexpr int protocol_version = 1;

class ProtocolError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// ---- Order: what a run shall train -------------------------------------------------------------

// Where the adapter sits: docs/adapter_file.md has the arithmetic.
// head: none at all, only the task's head is trained.
enum class AdapterMethod { houlsby, pfeiffer, head };
std::string_view to_string(AdapterMethod method);
std::optional<AdapterMethod> parse_adapter_method(std::string_view text);

// Non-linearity of the bottleneck, by AdapterHub's names.
enum class Activation { swish, relu, gelu, gelu_new, tanh };
std::string_view to_string(Activation activation);
std::optional<Activation> parse_activation(std::string_view text);

// How a worker keeps activations and multiplies: what is fastest on its machine, or one of the two.
enum class Precision { automatic, fp32, bf16 };
std::string_view to_string(Precision precision);
std::optional<Precision> parse_precision(std::string_view text);

struct DataFile {
  std::string path;    // absolute path of the bytes
  std::string name;    // the customer's name for it; its suffix picks the format (.jsonl .csv .tsv)
  std::string sha256;  // of the bytes
};

// Every field resolved: "auto" never reaches a worker.
struct LaneOrder {
  std::string trial_id;
  std::string job_id;
  std::string adapter_name;  // AdapterHub's name of it, [a-z0-9_]{1,64}
  std::string task_name;     // the customer's words, for graft.json
  DataFile training_file;
  std::optional<DataFile> validation_file;
  double validation_fraction = 0.1;  // of the training rows, where there is no validation file
  AdapterMethod method = AdapterMethod::houlsby;
  int size = 64;               // bottleneck width
  std::vector<int> leave_out;  // layers that stay as the backbone has them, rising from 0
  Activation activation = Activation::swish;
  double init_std = 0.02;
  bool train_layer_norm = false;
  double learning_rate = 1e-3;
  int batch_size = 32;
  int n_epochs = 3;
  int max_length = 128;  // tokens of a row, special tokens included
  double warmup_ratio = 0.1;
  double weight_decay = 0.0;
  std::uint64_t seed = 42;
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

// ---- Record: what a run reports ----------------------------------------------------------------

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
  std::int64_t truncated_rows = 0;  // texts cut at max_length, both splits
  std::vector<std::string> labels;  // in class-id order
  std::int64_t total_steps = 0;
  std::int64_t trainable_parameters = 0;  // adapter and head
};

// At least every 2 seconds while training.
struct Progress {
  int lane = 0;
  std::int64_t step = 0, total_steps = 0;
  int epoch = 0;          // 1-based, the one in progress
  double train_loss = 0;  // mean since the last Progress
  double train_accuracy = 0;
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
  double train_loss = 0;  // mean over the epoch
  double train_accuracy = 0;
  // Absent where there are no validation rows, or the number is none.
  std::optional<double> valid_loss, valid_accuracy, valid_macro_f1;
  bool best = false;  // best so far on validation accuracy, ties by loss; without: the last
};

// Final numbers of a lane, also inside graft.json of its bundle.
struct LaneMetrics {
  int best_epoch = 0;
  double train_loss = 0;
  std::optional<double> valid_loss, valid_accuracy, valid_macro_f1;  // as in EpochEnded
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

// ---- graft.json: what a bundle says of itself ---------------------------------------------------

struct Provenance {
  LaneOrder order;  // paths are not written
  std::string backbone_name, backbone_sha256;
  std::string program_version;
  std::vector<std::string> labels;
  LaneMetrics metrics;
  double created_at = 0;
};
std::string write_provenance(const Provenance& provenance);
// Paths stay empty. Throws ProtocolError.
Provenance parse_provenance(std::string_view text);

// ---- Checkpoint: how far a run is --------------------------------------------------------------

// Sums over training steps.
struct StepTotals {
  double loss = 0;  // of the rows
  std::int64_t correct = 0, rows = 0, tokens = 0, steps = 0;
  double seconds = 0;
};

// Of a lane that is neither finished nor failed. Its tensors lie beside this header in the file.
struct LanePosition {
  int lane = 0;
  std::int64_t step = 0, optimizer_steps = 0;
  // What the order makes of the data; must be the same when training goes on.
  std::int64_t total_steps = 0, training_rows = 0, validation_rows = 0, parameters = 0;
  std::vector<std::string> labels;
  StepTotals epoch_sums, sums;
  double evaluation_seconds = 0;
  std::optional<EpochEnded> best;
};

struct CheckpointHeader {
  std::string program_version;         // that wrote it
  std::string order_sha256;            // of what decides the result
  double time = 0;                     // unix seconds
  std::optional<Precision> precision;  // that was chosen; none: of the readable pass
  std::vector<LanePosition> lanes;
};

inline constexpr int checkpoint_format_version = 1;
std::string write_checkpoint_header(const CheckpointHeader& header);
CheckpointHeader parse_checkpoint_header(std::string_view text);

// What of an order decides its results, in a form to hash: no paths, threads or versions.
// backbone_sha256: of the backbone as it is loaded.
std::string order_identity(Order order, const std::string& backbone_sha256);

// ---- Prediction ---------------------------------------------------------------------------------

struct TextInput {
  std::string text;
  std::optional<std::string> text_pair;
};

struct PredictRequest {
  std::uint64_t id = 0;  // echoed
  std::string backbone_directory, backbone_sha256;
  std::string bundle_path,
      bundle_sha256;  // adapter.zip of a version, read and verified by the worker
  std::vector<TextInput> inputs;
};

struct LabelScore {
  std::string label;
  double score = 0;  // softmax probability, float32 value
};

struct PredictResponse {
  std::uint64_t id = 0;
  std::vector<std::vector<LabelScore>> predictions;  // an input each, by falling score
  std::int64_t tokens = 0;                           // of all inputs, special tokens included
  std::string error_code, error_message;             // empty: success
};

std::string write_predict_request(const PredictRequest& request);  // one line without its newline
PredictRequest parse_predict_request(std::string_view line);
std::string write_predict_response(const PredictResponse& response);
PredictResponse parse_predict_response(std::string_view line);

// What `graft-worker predict` prints for a text: {"labels": […], "logits": […]}, without a newline.
std::string write_logits(const std::vector<std::string>& labels, std::span<const float> logits);

}  // namespace graft
