// Why a text is no JSON, in a customer's words: where, what stands there and what to write instead.
// The library's own sentences are for programmers. Torch-free, no state: any thread may call.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace graft {

// What the JSON library says of a fault: its sentence, the byte at which it gave up (from 1, behind
// the last where the text ends too early), and whether a number was too large for it.
struct JsonComplaint {
  std::string_view sentence;
  std::size_t byte = 0;
  bool number_too_large = false;
  bool value_complete = false;  // a whole value stands before that byte
};

// Without capital letter, without a full stop, without the byte. UTF-8 of bounded length, whatever
// `text` is.
std::string json_problem(std::string_view text, const JsonComplaint& complaint);

}  // namespace graft
