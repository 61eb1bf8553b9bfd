// An order as the daemon writes it. Refused with ProtocolError, or written again as it was read.
#include "tests/fuzz/fuzz_target.h"
#include "trainer/contract/order.h"

GRAFT_FUZZ_TARGET(order) {
  using namespace graft;
  try {
    const std::string text = write_order(parse_order(input));
    fuzz::hold(write_order(parse_order(text)) == text, "an order is written as read");
  } catch (const ProtocolError&) {
  }
}
