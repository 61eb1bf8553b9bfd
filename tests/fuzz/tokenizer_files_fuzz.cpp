// A stranger's tokenizer.json: refused with a reason, or a tokenizer whose ids are below its size.
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/fuzz/fuzz_target.h"
#include "tests/support/scratch_directory.h"
#include "trainer/text/tokenizer.h"

GRAFT_FUZZ_TARGET(tokenizer_files) {
  using namespace graft;
  static const ScratchDirectory scratch;
  std::ofstream(scratch.path() / "tokenizer.json", std::ios::binary) << input;
  try {
    const Tokenizer tokenizer = Tokenizer::load(scratch.path());
    const Encoding encoding = tokenizer.encode("the fire is [MASK] alive", "xyz");
    for (const std::int32_t id : encoding.ids)
      fuzz::hold(id >= 0 && static_cast<std::size_t>(id) < tokenizer.vocabulary_size(),
                 "ids are of the vocabulary");
  } catch (const TokenizerError&) {
  }
}
