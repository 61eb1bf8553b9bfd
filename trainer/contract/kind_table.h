// What is known of each kind of task without tensors, a row each. For this room's files, which
// answer in their own words: task_kind.h, metrics.h, row_shape.h. Torch-free, no state.
#pragma once

#include <span>
#include <string_view>

#include "trainer/contract/target_form.h"
#include "trainer/contract/task_kind.h"

namespace graft {

// A member of a row that may hold what is to be learned, and how it is written there.
struct TargetMember {
  std::string_view name;
  TargetForm form = TargetForm::label;
  bool usual = false;  // one that is there leaves no doubt
};

struct KindRow {
  std::string_view name;
  std::string_view score_function;            // by the names of Hugging Face
  TargetForm form = TargetForm::label;        // of what is learned, in a member of any name
  std::span<const std::string_view> metrics;  // of validation rows, the primary one first
  std::span<const TargetMember> members;      // the usual one first
};

// automatic: a classification that any member may hold.
std::span<const KindRow> kind_table();  // in the order of TaskKind
const KindRow& row_of(TaskKind kind);

}  // namespace graft
