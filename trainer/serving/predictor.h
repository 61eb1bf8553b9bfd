// Answers predictions: keeps backbones mapped and the recently used adapters loaded.
//
// A row's scores depend on the row, its adapter and the backbone alone, not on the other inputs of
// a request nor on the number of threads: each row is computed by one thread, threads share the
// rows. So they are the same bits every time, and those that a version's metrics were counted from
// (logits_of_rows). Whatever goes wrong is the answer to that request. One caller at a time.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "trainer/bundle/export_adapterhub.h"
#include "trainer/contract/prediction.h"
#include "trainer/tasks/kind.h"
#include "trainer/text/tokenizer.h"

namespace graft {

// What a request cannot be answered for; code as in PredictResponse::error_code.
class PredictError : public std::runtime_error {
 public:
  PredictError(std::string code, const std::string& message)
      : std::runtime_error(message), code_(std::move(code)) {}
  const std::string& code() const { return code_; }

 private:
  std::string code_;
};

class Predictor {
 public:
  // adapter_bytes: of the adapters that are kept loaded, besides the one in use. threads: at
  // least 1.
  explicit Predictor(std::size_t adapter_bytes, int threads = 1)
      : adapter_bytes_(adapter_bytes), threads_(threads) {}

  // Throws for lack of memory alone; errors are in the response. The request's own fault:
  // invalid_input. The version's or the backbone's: bundle_missing, bundle_corrupt,
  // backbone_missing, backbone_mismatch, invalid_backbone, version_unusable (its numbers are not
  // finite). Passing: out_of_memory. Anything unforeseen: prediction_failed.
  PredictResponse answer(const PredictRequest& request);

  struct Logits {
    const TaskModel* model = nullptr;  // until the next call
    const Kind* kind = nullptr;
    std::optional<double> threshold;  // of multi_label
    std::vector<at::Tensor> rows;     // an input each, (outputs)
    std::int64_t tokens = 0;
  };

  // Throws PredictError, and what the pass throws.
  Logits logits(const PredictRequest& request);

 private:
  struct LoadedBackbone {
    std::shared_ptr<const BackboneWeights> weights;
    Tokenizer tokenizer;
  };
  struct LoadedAdapter {
    std::string key;  // bundle's and backbone's hash
    std::unique_ptr<const Bundle> bundle;
    std::size_t bytes = 0;
  };

  const LoadedBackbone& backbone(const PredictRequest& request);
  const Bundle& bundle(const PredictRequest& request, const BackboneWeights& weights);
  void keep(LoadedAdapter loaded);

  std::size_t adapter_bytes_;
  int threads_;
  std::map<std::string, LoadedBackbone> backbones_;  // by directory
  std::list<LoadedAdapter> adapters_;                // most recently used first
  std::size_t loaded_bytes_ = 0;                     // of adapters_
};

}  // namespace graft
