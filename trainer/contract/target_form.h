// How the rows of a data file write what is to be learned for them. Torch-free, no state.
#pragma once

#include <cstdint>
#include <string_view>

namespace graft {

enum class TargetForm : std::uint8_t { label, label_list, score };

// To be put into a sentence.
constexpr std::string_view words_of(TargetForm form) {
  switch (form) {
    case TargetForm::label:
      return "a label each";
    case TargetForm::label_list:
      return "a list of labels each";
    case TargetForm::score:
      return "a score each";
  }
  return "";
}

}  // namespace graft
