// graft.json: what a bundle says of itself. Torch-free, thread-safe (no state).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/contract/order.h"
#include "trainer/contract/record.h"

namespace graft {

// What a task reads: single texts or pairs of texts.
enum class InputShape { text, pair };
std::string_view to_string(InputShape shape);
std::optional<InputShape> parse_input_shape(std::string_view text);

struct Provenance {
  LaneOrder order;  // paths are not written
  std::string backbone_name, backbone_sha256;
  std::string program_version;
  std::optional<InputShape> input;  // none: of a program before it was written down
  std::vector<std::string> labels;
  LaneMetrics metrics;
  std::optional<TaskReport> report;  // none: without validation rows, or of a program before it
  double created_at = 0;
};
std::string write_provenance(const Provenance& provenance);
// Paths stay empty. Throws ProtocolError.
Provenance parse_provenance(std::string_view text);

}  // namespace graft
