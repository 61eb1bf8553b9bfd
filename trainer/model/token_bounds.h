// Whether tokens may be looked up in a backbone's tables. A tokenizer may know tokens that the
// weights have no row for; every index that comes from outside is held against its table here
// before a pass sees it, and no pass looks again.
//
// Thread-safe: no state.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "trainer/model/backbone.h"
#include "trainer/text/tokenizer.h"

namespace graft {

// What keeps a row from being looked up, for people, as the end of a sentence that begins with the
// row; nullopt: nothing.
std::optional<std::string> fault_of_tokens(const BackboneConfig& config,
                                           std::span<const std::int32_t> ids,
                                           std::span<const std::uint8_t> type_ids);

// The frame that goes round every text must fit. Throws BackboneError.
void check_tokenizer(const Tokenizer& tokenizer, const BackboneConfig& config);

}  // namespace graft
