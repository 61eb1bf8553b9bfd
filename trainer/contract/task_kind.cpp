#include "trainer/contract/task_kind.h"

#include <array>

#include "trainer/contract/kind_table.h"

namespace graft {

std::span<const std::string_view> task_kind_names() {
  static const auto names = [] {
    std::array<std::string_view, static_cast<std::size_t>(TaskKind::regression) + 1> all;
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = kind_table()[i].name;
    return all;
  }();
  return names;
}

std::string_view to_string(TaskKind kind) {
  return row_of(kind).name;
}

std::optional<TaskKind> parse_task_kind(std::string_view text) {
  for (std::size_t i = 0; i < kind_table().size(); ++i)
    if (kind_table()[i].name == text) return static_cast<TaskKind>(i);
  return std::nullopt;
}

std::string_view score_function(TaskKind kind) {
  return row_of(kind).score_function;
}

bool learns_labels(TaskKind kind) {
  return row_of(kind).form != TargetForm::score;
}

}  // namespace graft
