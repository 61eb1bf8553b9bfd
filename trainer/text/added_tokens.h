// Tokens that are looked for in the text itself before words are split, such as [MASK].
// Const after construction: any thread may call.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace graft {

struct AddedToken {
  std::string content;
  std::int32_t id = 0;
  bool single_word = false;  // only where no word character touches it
  bool strips_left = false;  // takes the white space before it along
  bool strips_right = false;
  bool normalized = false;  // looked for in the normalized text rather than in the raw one
};

class AddedTokenMatcher {
 public:
  explicit AddedTokenMatcher(std::vector<AddedToken> tokens);

  // A stretch of the text: an added token, or what lies between two. Together they cover it.
  struct Stretch {
    std::size_t begin, end;  // bytes
    std::optional<std::int32_t> id;
  };
  // Leftmost match first, the longest of those; replaces `stretches`.
  void split(std::string_view text, std::vector<Stretch>& stretches) const;

  bool empty() const { return tokens_.empty(); }

 private:
  const AddedToken* longest_at(std::string_view text, std::size_t position) const;

  std::vector<AddedToken> tokens_;  // by falling length
  std::array<bool, 256> begins_token_{};
};

}  // namespace graft
