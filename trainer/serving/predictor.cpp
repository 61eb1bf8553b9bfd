// Predictions, and the caches behind them.
#include "trainer/serving/predictor.h"

#include <torch/torch.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <future>
#include <new>
#include <numeric>
#include <span>
#include <system_error>
#include <tuple>

#include "trainer/durable/sha256.h"
#include "trainer/model/token_bounds.h"
#include "trainer/text/mapped_file.h"

namespace graft {
namespace {

std::vector<LabelScore> label_scores(const std::vector<std::string>& labels,
                                     const std::vector<float>& scores) {
  if (!std::ranges::all_of(scores, [](float score) { return std::isfinite(score); }))
    throw PredictError("version_unusable",
                       "the version's scores are no numbers; train it anew with a lower "
                       "learning_rate");
  std::vector<LabelScore> result;
  for (std::size_t i = 0; i < labels.size(); ++i) result.push_back({labels[i], scores[i]});
  std::stable_sort(result.begin(), result.end(),
                   [](const LabelScore& a, const LabelScore& b) { return a.score > b.score; });
  return result;
}

std::string input_name(std::size_t index) {
  return "inputs[" + std::to_string(index) + "]";
}

// Versions from before it was written down take both.
void check_shape(const Provenance& provenance, const std::vector<TextInput>& inputs) {
  if (!provenance.input) return;
  const bool pair = *provenance.input == InputShape::pair;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].text_pair.has_value() == pair) continue;
    throw PredictError(
        "invalid_input",
        input_name(i) +
            (pair
                 ? " is a single text, but this task was learned from pairs of texts; send "
                   "{\"text\": …, \"text_pair\": …}."
                 : " has a 'text_pair', but this task was learned from single texts; send the text "
                   "alone."));
  }
}

void check_tokens(const BackboneConfig& config, const TokenizedRows& rows) {
  for (std::size_t row = 0; row < rows.size(); ++row)
    if (const auto fault = fault_of_tokens(config, rows.row_ids(row), rows.row_type_ids(row)))
      throw PredictError("invalid_input", input_name(row) + " " + *fault + ".");
}

std::size_t bytes_of(const Bundle& bundle) {
  std::size_t bytes = 0;
  visit_tensors(bundle.model,
                [&](const std::string&, const at::Tensor& tensor) { bytes += tensor.nbytes(); });
  return bytes;
}

// Rows in groups of neighbours, one thread each, of one LibTorch thread.
void for_each_part(std::size_t rows, int threads,
                   const std::function<void(std::size_t begin, std::size_t end)>& work) {
  constexpr std::size_t part = 8;  // rows that read a layer's weights from memory once
  const auto sharers = static_cast<std::size_t>(threads);
  const std::size_t step = std::clamp<std::size_t>((rows + sharers - 1) / sharers, 1, part);
  std::atomic<std::size_t> next{0};
  const auto take_parts = [&] {
    at::set_num_threads(1);  // of the calling thread
    for (std::size_t begin = next.fetch_add(step); begin < rows; begin = next.fetch_add(step))
      work(begin, std::min(begin + step, rows));
  };
  std::vector<std::future<void>> others;
  for (std::size_t i = 1; i < sharers && i * step < rows; ++i)
    others.push_back(std::async(std::launch::async, take_parts));
  take_parts();
  for (std::future<void>& other : others) other.get();  // and its exception
}

// Of what is being handled. Words for the log: the daemon tells customers the code alone.
std::pair<std::string, std::string> describe_current_failure() {
  std::pair<std::string, std::string> no_memory{"out_of_memory", "there was no memory"};
  try {
    throw;
  } catch (const PredictError& error) {
    return {error.code(), error.what()};
  } catch (const std::bad_alloc&) {
    return no_memory;
  } catch (const std::system_error& error) {
    if (error.code() == std::errc::not_enough_memory ||
        error.code() == std::errc::resource_unavailable_try_again)
      return no_memory;
    return {"prediction_failed", error.what()};
  } catch (const c10::Error& error) {
    const std::string what = error.what_without_backtrace();
    // LibTorch has a type for a GPU's memory only.
    if (what.find("allocate memory") != std::string::npos) return no_memory;
    return {"prediction_failed", what};
  } catch (const std::exception& error) {
    return {"prediction_failed", error.what()};
  } catch (...) {
    return {"prediction_failed", "something was thrown that is no exception"};
  }
}

}  // namespace

PredictResponse Predictor::answer(const PredictRequest& request) {
  PredictResponse response;
  response.id = request.id;
  try {
    const Logits result = logits(request);
    response.tokens = result.tokens;
    response.threshold = result.threshold;
    for (const at::Tensor& row : result.rows)
      response.predictions.push_back(label_scores(result.model->labels, result.kind->scores(row)));
  } catch (...) {
    response.predictions.clear();
    std::tie(response.error_code, response.error_message) = describe_current_failure();
  }
  return response;
}

Predictor::Logits Predictor::logits(const PredictRequest& request) {
  const LoadedBackbone& loaded = backbone(request);
  const BackboneWeights& weights = *loaded.weights;
  const Bundle& version = bundle(request, weights);
  check_shape(version.provenance, request.inputs);
  const TaskModel& task = version.model;
  const TokenizedRows rows =
      tokenize_inputs(loaded.tokenizer, request.inputs, static_cast<std::size_t>(task.max_length));
  check_tokens(weights.config, rows);
  Logits result;
  result.model = &task;
  result.kind = &kind_named(version.provenance.order.task_kind);
  result.threshold = result.kind->threshold(version.provenance.report);
  result.tokens = static_cast<std::int64_t>(rows.ids.size());
  result.rows.resize(rows.size());
  std::vector<std::size_t> all(rows.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  for_each_part(rows.size(), threads_, [&](std::size_t begin, std::size_t end) {
    const auto logits =
        logits_of_rows(weights, task, {&rows, std::span(all).subspan(begin, end - begin)});
    std::copy(logits.begin(), logits.end(), result.rows.begin() + static_cast<long>(begin));
  });
  return result;
}

const Predictor::LoadedBackbone& Predictor::backbone(const PredictRequest& request) {
  try {
    auto found = backbones_.find(request.backbone_directory);
    if (found == backbones_.end()) {
      auto weights = load_backbone(request.backbone_directory, request.backbone_sha256);
      Tokenizer tokenizer = Tokenizer::load(request.backbone_directory);
      check_tokenizer(tokenizer, weights->config);
      found = backbones_
                  .emplace(request.backbone_directory,
                           LoadedBackbone{std::move(weights), std::move(tokenizer)})
                  .first;
    }
    const std::string& sha256 = found->second.weights->sha256;
    if (!request.backbone_sha256.empty() && sha256 != request.backbone_sha256)
      throw PredictError("backbone_mismatch", request.backbone_directory + " has identity " +
                                                  sha256 + ", the adapter was trained on " +
                                                  request.backbone_sha256);
    return found->second;
  } catch (const BackboneError& error) {
    throw PredictError(error.code(), error.what());
  } catch (const TokenizerError& error) {
    throw PredictError("invalid_backbone", error.what());
  }
}

const Bundle& Predictor::bundle(const PredictRequest& request, const BackboneWeights& weights) {
  const std::string key = request.bundle_sha256 + " " + weights.sha256;
  const auto found = std::find_if(adapters_.begin(), adapters_.end(),
                                  [&](const LoadedAdapter& loaded) { return loaded.key == key; });
  if (found != adapters_.end()) {
    adapters_.splice(adapters_.begin(), adapters_, found);
    return *adapters_.front().bundle;
  }
  try {
    const MappedFile file(request.bundle_path);
    if (sha256_of_bytes(file.text()) != request.bundle_sha256)
      throw PredictError("bundle_corrupt",
                         request.bundle_path + " does not have the hash it was published with");
    auto bundle = std::make_unique<const Bundle>(read_bundle(file.text(), weights));
    if (bundle->model.max_length < 3 || bundle->model.max_length > weights.config.max_positions)
      throw BundleError("graft.json: max_length " + std::to_string(bundle->model.max_length) +
                        " does not fit the backbone's positions");
    const std::size_t bytes = bytes_of(*bundle);
    keep({key, std::move(bundle), bytes});
  } catch (const MappedFileError& error) {
    throw PredictError("bundle_missing", error.what());
  } catch (const BundleError& error) {
    throw PredictError("bundle_corrupt", request.bundle_path + ": " + error.what());
  }
  return *adapters_.front().bundle;
}

void Predictor::keep(LoadedAdapter loaded) {
  loaded_bytes_ += loaded.bytes;
  adapters_.push_front(std::move(loaded));
  while (adapters_.size() > 1 && loaded_bytes_ > adapter_bytes_) {
    loaded_bytes_ -= adapters_.back().bytes;
    adapters_.pop_back();
  }
}

}  // namespace graft
