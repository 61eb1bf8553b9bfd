// Predictions on the wire, as Hugging Face's InferenceClient.text_classification speaks them.
// No state: any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/contract/prediction.h"
#include "trainer/contract/task_kind.h"

namespace graft {

inline constexpr std::size_t most_inputs = 1024;
inline constexpr std::size_t most_input_bytes = std::size_t{1} << 20;

struct PredictBody {
  std::vector<TextInput> inputs;  // 1 to most_inputs
  std::optional<int> top_k;
  std::optional<std::string> function_to_apply;
};

// {"inputs": "text" | {"text", "text_pair"?} | array of those, "parameters"?: {"top_k",
// "function_to_apply"}}. HttpError 400 naming e.g. inputs[3] where a text is empty, too long or of
// another type.
PredictBody parse_predict_body(std::string_view body);

// HttpError 400 where the body asks for other scores than the kind of task has.
void check_function(const PredictBody& body, std::string_view task_kind);

// [[{"label", "score"}, …], …], an input each, by falling score, at most top_k of each. Where there
// is a threshold, "selected" says whether the label's score reaches it.
std::string write_predictions(const PredictResponse& answer, const std::optional<int>& top_k);

}  // namespace graft
