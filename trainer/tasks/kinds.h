// The kinds, each a file of its own. For kinds.cpp, whose table names them.
#pragma once

#include "trainer/tasks/kind.h"

namespace graft {

const Kind& classification_kind();
const Kind& multi_label_kind();
const Kind& regression_kind();

}  // namespace graft
