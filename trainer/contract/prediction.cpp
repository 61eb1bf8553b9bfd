#include "trainer/contract/prediction.h"

#include "trainer/contract/members_json.h"

namespace graft {

// Found where members_json.h asks for them, so in no namespace of their own.
void describe(auto& member, Of<TextInput> auto& input) {
  member("text", input.text);
  member("text_pair", input.text_pair);
}

void describe(auto& member, Of<PredictRequest> auto& request) {
  member("id", request.id);
  member("backbone_directory", request.backbone_directory);
  member("backbone_sha256", request.backbone_sha256);
  member("bundle_path", request.bundle_path);
  member("bundle_sha256", request.bundle_sha256);
  member("inputs", request.inputs);
}

void describe(auto& member, Of<LabelScore> auto& score) {
  member("label", score.label);
  member("score", score.score);
}

void describe(auto& member, Of<PredictResponse> auto& response) {
  member("id", response.id);
  member("predictions", response.predictions);
  member("tokens", response.tokens);
  member("threshold", response.threshold);
  member("error_code", response.error_code);
  member("error_message", response.error_message);
}

std::string write_predict_request(const PredictRequest& request) {
  return dump_json(write_object(request));
}

PredictRequest parse_predict_request(std::string_view line) {
  return read_object<PredictRequest>(parse_json(line));
}

std::string write_predict_response(const PredictResponse& response) {
  return dump_json(write_object(response));
}

PredictResponse parse_predict_response(std::string_view line) {
  return read_object<PredictResponse>(parse_json(line));
}

std::string write_logits(const std::vector<std::string>& labels, std::span<const float> logits) {
  return Json{{"labels", labels}, {"logits", std::vector<float>(logits.begin(), logits.end())}}
      .dump();
}

}  // namespace graft
