// What a head reads of the last hidden states of a row. Said here, once: every pass asks for it, or
// says which ones it can compute.
//
// No state.
#pragma once

#include <cstdint>

namespace graft {

enum class Readout {
  cls,   // the state of the first token
  mean,  // the mean over all tokens
};

// Of a row's tokens, those that anybody reads behind the last layer.
constexpr std::int64_t tokens_read(Readout readout, std::int64_t length) {
  return readout == Readout::cls ? 1 : length;
}

}  // namespace graft
