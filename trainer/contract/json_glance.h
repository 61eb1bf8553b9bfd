// A look over a stranger's JSON before anything is built of it, in time that grows with its length
// alone: the library's parse with a callback looks at all siblings at each end of one, its ordered
// objects at all members for each new one. Torch-free, no state: any thread may call.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace graft {

// More members than any row or request means; an object with them is built in no time.
inline constexpr std::size_t most_members = 4096;

struct JsonGlance {
  std::string problem;               // why it is no JSON (json_problem.h); empty: it is
  std::size_t problem_byte = 0;      // from 1; behind the last where the text ends too early
  std::optional<std::string> twice;  // the first member that its object has twice
  std::size_t values = 0;            // objects and arrays too; what is built grows with them
  bool too_deep = false;             // then the rest was not looked at
  bool too_many_members = false;     // likewise
  // Members of the outermost object that are fractions or integers of more than 64 bits, as they
  // are written.
  std::map<std::string, std::string> long_numbers;
};

JsonGlance glance_at_json(std::string_view text, std::size_t most_levels);

}  // namespace graft
