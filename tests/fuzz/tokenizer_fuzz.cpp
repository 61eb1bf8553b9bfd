// Any text under the small vocabulary of tests/reference: ids of the vocabulary, offsets in order,
// and never more tokens than asked for.
#include "trainer/text/tokenizer.h"

#include <algorithm>

#include "tests/fuzz/fuzz_target.h"

GRAFT_FUZZ_TARGET(tokenizer) {
  using namespace graft;
  using fuzz::hold;
  static const Tokenizer tokenizer =
      Tokenizer::load(std::string(GRAFT_SOURCE_DIR) + "/tests/reference/tiny_bert");
  const std::size_t line = input.find('\n');
  std::optional<std::string_view> pair;
  if (line != input.npos) pair = input.substr(line + 1);
  const std::string_view text = input.substr(0, line);
  for (const std::size_t most : {std::size_t{0}, std::size_t{5}}) {
    const Encoding encoding = tokenizer.encode(text, pair, most);
    hold(encoding.ids.size() == encoding.type_ids.size() &&
             encoding.ids.size() == encoding.offsets.size(),
         "one of each a token");
    hold(most == 0 || encoding.ids.size() <= most, "no more tokens than asked for");
    hold(most != 0 || !encoding.truncated, "nothing is cut that need not be");
    for (std::size_t i = 0; i < encoding.ids.size(); ++i) {
      hold(encoding.ids[i] >= 0 &&
               static_cast<std::size_t>(encoding.ids[i]) < tokenizer.vocabulary_size(),
           "ids are of the vocabulary");
      const TokenOffsets place = encoding.offsets[i];
      const std::size_t characters = (encoding.type_ids[i] == 1 && pair ? *pair : text).size();
      hold(place.begin <= place.end && place.end <= characters, "offsets lie in the text");
    }
  }
}
