// What is thrown for a document between the programs that cannot be read, and their version.
#pragma once

#include <stdexcept>

namespace graft {

inline constexpr int protocol_version = 1;

class ProtocolError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace graft
