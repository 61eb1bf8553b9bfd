// A line of records.jsonl. Refused with ProtocolError, or written again as it was read.
#include "tests/fuzz/fuzz_target.h"
#include "trainer/contract/record.h"

GRAFT_FUZZ_TARGET(record) {
  using namespace graft;
  try {
    const std::string text = write_record(parse_record(input));
    fuzz::hold(write_record(parse_record(text)) == text, "a record is written as read");
  } catch (const ProtocolError&) {
  }
}
