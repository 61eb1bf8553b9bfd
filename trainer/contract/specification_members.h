// The members of a specification, from its table, for members_json.h.
#pragma once

#include <variant>

#include "trainer/contract/members_json.h"
#include "trainer/contract/specification.h"

namespace graft {

void describe(auto& member, Of<Columns> auto& columns) {
  member("text", columns.text);
  member("text_pair", columns.text_pair);
  member("label", columns.label);
}

// In the order of the table; with_data: those too that stand beside the data files elsewhere.
// The method comes first: a head alone has none of the adapter's members.
void describe_hyperparameters(auto& member, auto& specification, bool with_data) {
  for (const Hyperparameter& entry : hyperparameters()) {
    if (!entry.belongs_to(specification.method) || (entry.of_data && !with_data)) continue;
    const char* const name = entry.name.data();  // of a literal: ends in a zero
    std::visit(
        [&](auto field) {
          if (entry.later) {
            const Specification defaults;
            member.unless_default(name, specification.*field, defaults.*field);
          } else if (entry.name == "leave_out") {  // later, too, but part of hashes ever since
            member.optional(name, specification.*field);
          } else {
            member(name, specification.*field);
          }
        },
        entry.member);
  }
}

}  // namespace graft
