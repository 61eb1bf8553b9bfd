// What a backbone directory says of itself, held against what Graft computes: BERT's encoder behind
// BERT's WordPiece. Whatever would be computed as something else is refused by name, so that no
// backbone is silently another one. Reads the JSON files alone; weights are looked at where they
// are loaded.
//
// Torch-free, used by both programs. Thread-safe: no state.
#pragma once

#include <filesystem>

namespace graft {

// config.json: members that change the computation. Throws BackboneError.
void check_model_claims(const std::filesystem::path& directory);

// tokenizer_config.json, and where there is a tokenizer.json whether the two say the same; files
// that are absent say nothing. Throws BackboneError.
void check_tokenizer_claims(const std::filesystem::path& directory);

}  // namespace graft
