#include "trainer/contract/task_kind.h"

#include <array>

#include "trainer/contract/names.h"

namespace graft {
namespace {

constexpr std::array<std::string_view, 4> names{"auto", "classification", "multi_label",
                                                "regression"};
static_assert(names.size() == static_cast<std::size_t>(TaskKind::regression) + 1);

}  // namespace

std::span<const std::string_view> task_kind_names() {
  return names;
}

std::string_view to_string(TaskKind kind) {
  return names.at(static_cast<std::size_t>(kind));
}

std::optional<TaskKind> parse_task_kind(std::string_view text) {
  return parse_name<TaskKind>(names, text);
}

std::string_view score_function(TaskKind kind) {
  switch (kind) {
    case TaskKind::automatic:
    case TaskKind::classification:
      return "softmax";
    case TaskKind::multi_label:
      return "sigmoid";
    case TaskKind::regression:
      return "none";
  }
  return "";
}

bool learns_labels(TaskKind kind) {
  return kind != TaskKind::regression;
}

}  // namespace graft
