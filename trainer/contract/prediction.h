// Prediction speaks one JSON object a line over a Unix socket: PredictRequest, PredictResponse.
// Torch-free, thread-safe (no state). parse_* throws ProtocolError on malformed input.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/contract/protocol_error.h"

namespace graft {

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
  double score = 0;  // float32 value: a probability, or the number itself of a regression
};

struct PredictResponse {
  std::uint64_t id = 0;
  std::vector<std::vector<LabelScore>> predictions;  // an input each, by falling score
  std::int64_t tokens = 0;                           // of all inputs, special tokens included
  std::optional<double> threshold;        // from which on a label of multi_label is answered
  std::string error_code, error_message;  // empty: success
};

std::string write_predict_request(const PredictRequest& request);  // one line without its newline
PredictRequest parse_predict_request(std::string_view line);
std::string write_predict_response(const PredictResponse& response);
PredictResponse parse_predict_response(std::string_view line);

// What `graft-worker predict` prints for a text: {"labels": […], "logits": […]}, without a newline.
std::string write_logits(const std::vector<std::string>& labels, std::span<const float> logits);

}  // namespace graft
