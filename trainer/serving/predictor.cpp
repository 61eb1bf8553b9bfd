// Predictions, and the caches behind them.
#include "trainer/serving/predictor.h"

#include <torch/torch.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <future>

#include "trainer/durable/sha256.h"
#include "trainer/text/mapped_file.h"
#include "trainer/training/lane.h"

namespace graft {
namespace {

std::vector<LabelScore> scores(const std::vector<std::string>& labels,
                               const at::Tensor& probabilities) {
  std::vector<LabelScore> result;
  const float* const values = probabilities.const_data_ptr<float>();
  for (std::size_t i = 0; i < labels.size(); ++i) result.push_back({labels[i], values[i]});
  std::stable_sort(result.begin(), result.end(),
                   [](const LabelScore& a, const LabelScore& b) { return a.score > b.score; });
  return result;
}

// Calls work(row) for each row, on up to `threads` threads of one LibTorch thread each.
void for_each_row(std::size_t rows, int threads, const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> next{0};
  const auto take_rows = [&] {
    at::set_num_threads(1);  // of the calling thread
    for (std::size_t row = next++; row < rows; row = next++) work(row);
  };
  std::vector<std::future<void>> others;
  for (int i = 1; i < threads && static_cast<std::size_t>(i) < rows; ++i)
    others.push_back(std::async(std::launch::async, take_rows));
  take_rows();
  for (std::future<void>& other : others) other.get();  // and its exception
}

}  // namespace

PredictResponse Predictor::answer(const PredictRequest& request) {
  PredictResponse response;
  response.id = request.id;
  try {
    const Logits result = logits(request);
    response.tokens = result.tokens;
    for (const at::Tensor& row : result.rows)
      response.predictions.push_back(scores(result.labels, at::softmax(row, -1).contiguous()));
  } catch (const PredictError& error) {
    response.predictions.clear();
    response.error_code = error.code();
    response.error_message = error.what();
  }
  return response;
}

Predictor::Logits Predictor::logits(const PredictRequest& request) {
  const LoadedBackbone& loaded = backbone(request);
  const TaskModel& task = model(request, *loaded.weights);
  const TokenizedRows rows =
      tokenize_inputs(loaded.tokenizer, request.inputs, static_cast<std::size_t>(task.max_length));
  Logits result;
  result.labels = task.labels;
  result.tokens = static_cast<std::int64_t>(rows.ids.size());
  result.rows.resize(rows.size());
  for_each_row(rows.size(), threads_, [&](std::size_t row) {
    result.rows[row] = row_logits(*loaded.weights, task, rows, row);
  });
  return result;
}

const Predictor::LoadedBackbone& Predictor::backbone(const PredictRequest& request) {
  try {
    auto found = backbones_.find(request.backbone_directory);
    if (found == backbones_.end()) {
      auto weights = load_backbone(request.backbone_directory, request.backbone_sha256);
      Tokenizer tokenizer = Tokenizer::load(request.backbone_directory);
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

const TaskModel& Predictor::model(const PredictRequest& request, const BackboneWeights& weights) {
  const std::string key = request.bundle_sha256 + " " + weights.sha256;
  const auto found = std::find_if(adapters_.begin(), adapters_.end(),
                                  [&](const LoadedAdapter& loaded) { return loaded.key == key; });
  if (found != adapters_.end()) {
    adapters_.splice(adapters_.begin(), adapters_, found);
    return adapters_.front().bundle->model;
  }
  try {
    const MappedFile file(request.bundle_path);
    if (sha256_of_bytes(file.text()) != request.bundle_sha256)
      throw PredictError("bundle_corrupt",
                         request.bundle_path + " does not have the hash it was published with");
    auto bundle = std::make_unique<const Bundle>(read_bundle(file.text(), weights));
    adapters_.push_front({key, std::move(bundle)});
  } catch (const MappedFileError& error) {
    throw PredictError("bundle_missing", error.what());
  } catch (const BundleError& error) {
    throw PredictError("bundle_corrupt", request.bundle_path + ": " + error.what());
  }
  if (adapters_.size() > std::max<std::size_t>(adapters_cached_, 1)) adapters_.pop_back();
  return adapters_.front().bundle->model;
}

}  // namespace graft
