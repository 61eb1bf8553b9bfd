// graft-worker: trains runs, answers predictions, and small tools on backbones and adapters.
//
// Exceptions end here: in `train` as a RunFailed record, else as a line on stderr; the exit codes
// are those of exit_codes.h.
#include <torch/torch.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <iostream>
#include <sstream>

#include "trainer/bench.h"
#include "trainer/bundle/archive.h"
#include "trainer/contract/exit_codes.h"
#include "trainer/contract/version.h"
#include "trainer/durable/sha256.h"
#include "trainer/model/token_bounds.h"
#include "trainer/serving/predict_server.h"
#include "trainer/text/log.h"
#include "trainer/training/run_failure.h"
#include "trainer/training/training_run.h"

namespace graft {
namespace {

struct TrainOptions {
  std::string run_directory;
  RunOptions run;
};
struct ServeOptions {
  std::string socket;
  int threads = 1;
  std::size_t adapter_memory = 1024;  // MiB
};
struct PredictOptions {
  std::string bundle, backbone;
  int threads = 1;
  bool pairs = false;
};

std::string read_file(const std::filesystem::path& path) {
  return std::string(MappedFile(path).text());
}

int train(const TrainOptions& options) {
  RunReport report(options.run_directory);
  StopSignal signal;
  const std::filesystem::path cancel = report.directory() / "cancel";
  try {
    const Order order = parse_order(read_file(report.directory() / "order.json"));
    run_training(
        order, report, [&] { return signal.requested() || std::filesystem::exists(cancel); },
        options.run);
    return report.met_full_disk() ? exit_disk_full : exit_success;
  } catch (...) {
    const RunFailed failure = describe_failure(std::current_exception());
    log_error(failure.code + ": " + failure.message);
    const int status = failure.code == "disk_full" ? exit_disk_full : exit_failure;
    try {
      report.record(failure);
    } catch (const std::system_error& error) {
      log_error(error.what());  // the exit code says it
    }
    return status;
  }
}

int serve(const ServeOptions& options) {
  StopSignal stop;
  Predictor predictor(options.adapter_memory << 20, options.threads);
  serve_predictions(options.socket, predictor, stop);
  return 0;
}

int predict(const PredictOptions& options) {
  PredictRequest request;
  request.backbone_directory = options.backbone;
  request.bundle_path = options.bundle;
  request.bundle_sha256 = sha256_of_file(options.bundle);
  for (std::string line; std::getline(std::cin, line);) {
    TextInput input{line, std::nullopt};
    if (const auto tab = line.find('\t'); options.pairs && tab != std::string::npos)
      input = {line.substr(0, tab), line.substr(tab + 1)};
    request.inputs.push_back(std::move(input));
  }
  Predictor predictor(1, options.threads);
  const Predictor::Logits result = predictor.logits(request);
  for (const at::Tensor& row : result.rows) {
    const auto classes = static_cast<std::size_t>(row.numel());
    std::cout << write_logits(result.model->labels, {row.const_data_ptr<float>(), classes}) << '\n';
  }
  return 0;
}

int tokenize(const std::string& backbone) {
  const Tokenizer tokenizer = Tokenizer::load(backbone);
  for (std::string line; std::getline(std::cin, line);) {
    const char* separator = "";
    for (const std::int32_t id : tokenizer.encode(line).ids) {
      std::cout << separator << id;
      separator = " ";
    }
    std::cout << '\n';
  }
  return 0;
}

void inspect_tensors(const std::string& title, std::string_view bytes) {
  std::cout << title << "  sha256 " << sha256_of_bytes(bytes) << '\n';
  std::int64_t parameters = 0;
  for (const auto& [name, tensor] : read_safetensors(bytes).tensors) {
    std::int64_t count = 1;
    for (const std::int64_t extent : tensor.shape) count *= extent;
    parameters += count;
    std::cout << "  " << name << "  " << c10::toString(tensor.type) << ' '
              << at::IntArrayRef(tensor.shape) << '\n';
  }
  std::cout << "  " << parameters << " parameters\n";
}

int inspect(const std::string& path) {
  if (std::filesystem::is_directory(path)) {
    const auto weights = load_backbone(path);  // refuses what could not be trained on
    check_tokenizer(Tokenizer::load(path), weights->config);
    const BackboneSummary summary = summarize_backbone(path);
    std::cout << "backbone " << summary.model_type << "  " << summary.layers << " layers, "
              << summary.hidden_size << " wide, " << summary.heads << " heads, vocabulary "
              << summary.vocabulary_size << ", " << summary.max_positions
              << " positions\n  identity " << summary.sha256 << '\n';
    return 0;
  }
  const MappedFile file(path);
  if (!file.text().starts_with("PK")) {
    inspect_tensors(path, file.text());
    return 0;
  }
  std::cout << path << "  sha256 " << sha256_of_bytes(file.text()) << '\n';
  for (const auto& [name, bytes] : read_archive(file.text(), std::uint64_t{4} << 30)) {
    if (name.ends_with(".safetensors"))
      inspect_tensors(name, bytes);
    else if (name.ends_with(".json"))
      std::cout << name << '\n' << bytes;
    else
      std::cout << name << "  " << bytes.size() << " bytes\n";
  }
  return 0;
}

// Opens all that training and predicting need of a backbone. Its caller reads the last line.
int check(const std::string& directory) {
  std::string reason;
  try {
    const auto backbone = load_backbone(directory, "");
    Tokenizer::load(directory);
    std::cout << directory << ": sound, identity " << backbone->sha256 << '\n';
    return exit_success;
  } catch (const std::bad_alloc&) {
    throw;  // says nothing of the backbone
  } catch (const c10::Error& error) {
    reason = error.what_without_backtrace();
  } catch (const std::exception& error) {
    reason = error.what();
  }
  std::replace(reason.begin(), reason.end(), '\n', ' ');
  std::cerr << reason << '\n';
  return exit_failure;
}

constexpr const char* footer = R"(
Exit status: 0 done (train: the run ended and its records say how); 1 failed, with the reason in
the last line on stderr (train: in records.jsonl too); 2 the command line is not understood;
74 train ended for want of room on the disk. Ended by a signal, train goes on from its last
checkpoint when it is started again. Everything computes on CPUs.

train reads order.json, appends records.jsonl and writes lane-<k>/result.zip; the file `cancel`
or SIGTERM stops it.

Example:
  graft-worker check .deps/backbones/minilm
  echo "Race a penguin" | graft-worker predict adapter.zip --backbone .deps/backbones/minilm)";

// Fills options while parsing, then runs what was asked for.
int run(int argc, char** argv) {
  CLI::App app{
      "graft-worker trains adapters on a frozen backbone and answers predictions.\n"
      "graftd starts `train` and `serve` itself; the rest is for people."};
  app.name("graft-worker");
  app.footer(footer);
  app.require_subcommand(1);
  app.set_version_flag("--version", program_version);

  TrainOptions training;
  auto* train_command =
      app.add_subcommand("train", "Train the run in RUN_DIR, or go on from where it was stopped");
  train_command->add_option("RUN_DIR", training.run_directory)
      ->required()
      ->check(CLI::ExistingDirectory);
  train_command
      ->add_option("--checkpoint-seconds", training.run.checkpoint_seconds,
                   "Longest time between checkpoints")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();

  ServeOptions serving;
  auto* serve_command = app.add_subcommand(
      "serve", "Answer predictions at a Unix socket, one JSON object a line, until SIGTERM");
  serve_command->add_option("--socket", serving.socket, "Path of the socket")->required();
  serve_command->add_option("--threads", serving.threads, "Threads to compute with")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  serve_command
      ->add_option("--adapter-memory", serving.adapter_memory,
                   "MiB of adapters that stay loaded, the least recently used leaving first")
      ->check(CLI::Range(1, 1 << 30))
      ->capture_default_str();

  PredictOptions predicting;
  auto* predict_command =
      app.add_subcommand("predict", "Print the logits of each line of standard input as JSON");
  predict_command->add_option("BUNDLE", predicting.bundle, "An adapter.zip")
      ->required()
      ->check(CLI::ExistingFile);
  predict_command->add_option("--backbone", predicting.backbone, "Its backbone directory")
      ->required()
      ->check(CLI::ExistingDirectory);
  predict_command->add_option("--threads", predicting.threads, "Threads to compute with")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  predict_command->add_flag("--pairs", predicting.pairs, "Lines are text TAB text_pair");

  std::string backbone;
  auto* tokenize_command = app.add_subcommand(
      "tokenize", "Print the token ids of each line of standard input, untruncated");
  tokenize_command->add_option("--backbone", backbone, "Backbone directory")
      ->required()
      ->check(CLI::ExistingDirectory);

  std::string inspected;
  auto* inspect_command = app.add_subcommand(
      "inspect", "Print what a .safetensors, an adapter.zip or a backbone directory holds");
  inspect_command->add_option("FILE", inspected)->required()->check(CLI::ExistingPath);

  std::string checked;
  auto* check_command = app.add_subcommand(
      "check", "Open a backbone directory as training would, and say what is wrong with it");
  check_command->add_option("BACKBONE_DIR", checked)->required()->check(CLI::ExistingDirectory);

  BenchOptions bench;
  std::string bench_precision = "auto";
  auto* bench_command =
      app.add_subcommand("bench", "Measure this machine: products, training speed, memory");
  bench_command->add_option("--backbone", bench.backbone, "Backbone directory")
      ->required()
      ->check(CLI::ExistingDirectory);
  bench_command->add_option("--threads", bench.threads, "Threads to compute with")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  bench_command->add_option("--precision", bench_precision, "auto, fp32 or bf16")
      ->check(CLI::IsMember({"auto", "fp32", "bf16"}))
      ->capture_default_str();
  bench_command->add_option("--lengths", bench.lengths, "Tokens a row")
      ->check(CLI::Range(1, 512))
      ->delimiter(',')
      ->capture_default_str();
  bench_command->add_option("--lanes", bench.lanes, "Lanes trained together")
      ->check(CLI::Range(1, 1024))
      ->delimiter(',')
      ->capture_default_str();
  bench_command->add_option("--batch", bench.batch_size, "Rows of a lane's step")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  bench_command->add_option("--size", bench.size, "Width of the Houlsby adapters")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  bench_command->add_option("--seconds", bench.seconds, "For each cell of the table")
      ->check(CLI::Range(0.1, 600.0))
      ->capture_default_str();

  auto* version_command = app.add_subcommand("version", "Print the version");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);  // --help, --version
  } catch (const CLI::ParseError& error) {
    std::cerr << "graft-worker: " << error.what() << "\nTry graft-worker --help.\n";
    return exit_usage;
  }

  if (*train_command) return train(training);
  if (*serve_command) return serve(serving);
  if (*predict_command) return predict(predicting);
  if (*tokenize_command) return tokenize(backbone);
  if (*inspect_command) return inspect(inspected);
  if (*check_command) return check(checked);
  if (*bench_command) {
    bench.precision = *parse_precision(bench_precision);
    run_bench(bench, std::cout);
  }
  if (*version_command) std::cout << program_version << '\n';
  return 0;
}

}  // namespace
}  // namespace graft

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  try {
    return graft::run(argc, argv);
  } catch (const c10::Error& error) {
    graft::log_error(error.what_without_backtrace());
  } catch (const std::exception& error) {
    graft::log_error(error.what());
  }
  return graft::exit_failure;
}
