// The kinds of task by their names. What each does stands in trainer/tasks/; what each measures in
// metrics.h. Torch-free, no state: any thread may call.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace graft {

// automatic: what the columns of the data say; resolved by the worker that reads them.
enum class TaskKind { automatic, classification, multi_label, regression };
std::span<const std::string_view> task_kind_names();
std::string_view to_string(TaskKind kind);
std::optional<TaskKind> parse_task_kind(std::string_view text);

// What makes its scores of logits, by the names of Hugging Face: softmax, sigmoid, none.
std::string_view score_function(TaskKind kind);
// Its rows have labels; else numbers.
bool learns_labels(TaskKind kind);

}  // namespace graft
