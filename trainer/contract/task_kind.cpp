#include "trainer/contract/task_kind.h"

#include <array>

#include "trainer/contract/names.h"

namespace graft {
namespace {

constexpr std::array<std::string_view, 4> names{"auto", "classification", "multi_label",
                                                "regression"};

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

}  // namespace graft
