// The header of a checkpoint. Refused with ProtocolError, or written again as it was read.
#include "tests/fuzz/fuzz_target.h"
#include "trainer/contract/checkpoint_header.h"

GRAFT_FUZZ_TARGET(checkpoint_header) {
  using namespace graft;
  try {
    const std::string text = write_checkpoint_header(parse_checkpoint_header(input));
    fuzz::hold(write_checkpoint_header(parse_checkpoint_header(text)) == text,
               "a header is written as read");
  } catch (const ProtocolError&) {
  }
}
