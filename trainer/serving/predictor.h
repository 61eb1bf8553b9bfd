// Answers predictions: keeps backbones mapped and the recently used adapters loaded.
//
// A row's scores depend on the row, its adapter and the backbone alone, not on the other inputs of
// a request nor on the number of threads: each row is computed by one thread, threads share the
// rows. So they are the same bits every time. One caller at a time.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "trainer/bundle/export_adapterhub.h"
#include "trainer/contract/protocol.h"
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
  // adapters_cached, threads: at least 1.
  explicit Predictor(std::size_t adapters_cached, int threads = 1)
      : adapters_cached_(adapters_cached), threads_(threads) {}

  // Never throws for what a request may contain: errors are in the response (bundle_missing,
  // bundle_corrupt, backbone_missing, backbone_mismatch, invalid_backbone).
  PredictResponse answer(const PredictRequest& request);

  struct Logits {
    std::vector<std::string> labels;
    std::vector<at::Tensor> rows;  // an input each, (classes)
    std::int64_t tokens = 0;
  };

  // Throws PredictError.
  Logits logits(const PredictRequest& request);

 private:
  struct LoadedBackbone {
    std::shared_ptr<const BackboneWeights> weights;
    Tokenizer tokenizer;
  };
  struct LoadedAdapter {
    std::string key;  // bundle's and backbone's hash
    std::unique_ptr<const Bundle> bundle;
  };

  const LoadedBackbone& backbone(const PredictRequest& request);
  const TaskModel& model(const PredictRequest& request, const BackboneWeights& weights);

  std::size_t adapters_cached_;
  int threads_;
  std::map<std::string, LoadedBackbone> backbones_;  // by directory
  std::list<LoadedAdapter> adapters_;                // most recently used first
};

}  // namespace graft
