// SIGTERM and SIGINT become a question instead of an end. Make it before any other thread, in main.
#pragma once

#include "trainer/durable/descriptor.h"

namespace graft {

class StopSignal {
 public:
  StopSignal();  // throws std::system_error
  bool requested();
  int descriptor() const { return signals_.number(); }  // readable once requested, for poll

 private:
  Descriptor signals_;
  bool requested_ = false;
};

}  // namespace graft
