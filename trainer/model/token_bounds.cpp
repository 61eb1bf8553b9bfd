// Bounds of the three embedding tables.
#include "trainer/model/token_bounds.h"

#include <algorithm>

namespace graft {

std::optional<std::string> fault_of_tokens(const BackboneConfig& config,
                                           std::span<const std::int32_t> ids,
                                           std::span<const std::uint8_t> type_ids) {
  const auto beyond = [&](std::int32_t id) { return id < 0 || id >= config.vocabulary_size; };
  if (const auto id = std::ranges::find_if(ids, beyond); id != ids.end())
    return "holds a token that the backbone cannot read: its tokenizer makes id " +
           std::to_string(*id) + " of it, its weights know " +
           std::to_string(config.vocabulary_size) + " tokens";
  const auto no_type = [&](std::uint8_t type) { return type >= config.token_types; };
  if (const auto type = std::ranges::find_if(type_ids, no_type); type != type_ids.end())
    return *type == 1 ? "is a pair of texts, and this backbone reads single texts only "
                        "(type_vocab_size 1)"
                      : "has token type " + std::to_string(*type) + ", the backbone knows " +
                            std::to_string(config.token_types);
  if (static_cast<std::int64_t>(ids.size()) > config.max_positions)
    return "has " + std::to_string(ids.size()) + " tokens, the backbone reads at most " +
           std::to_string(config.max_positions);
  return std::nullopt;
}

void check_tokenizer(const Tokenizer& tokenizer, const BackboneConfig& config) {
  const Encoding frame = tokenizer.encode("");
  if (const auto fault = fault_of_tokens(config, frame.ids, frame.type_ids))
    throw BackboneError("invalid_backbone",
                        "the tokenizer does not fit the weights: already an empty text " + *fault);
}

}  // namespace graft
