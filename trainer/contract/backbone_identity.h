// Which files make a backbone, the hash of them that is its identity, and its sizes for people.
//
// The identity is what `sha256sum FILES | sha256sum` prints inside the directory, FILES being,
// where present and in this order: config.json tokenizer.json tokenizer_config.json vocab.txt, then
// model.safetensors, or model.safetensors.index.json and the shards it names in sorted order.
// So anybody can check it in a shell, and a changed tokenizer is another backbone.
//
// Torch-free, used by both programs. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

namespace graft {

// A backbone that cannot be used. code(): backbone_missing, invalid_backbone or backbone_mismatch.
class BackboneError : public std::runtime_error {
 public:
  BackboneError(std::string code, const std::string& message)
      : std::runtime_error(message), code_(std::move(code)) {}
  const std::string& code() const { return code_; }

 private:
  std::string code_;
};

// File names of the weights, relative to the directory, in identity order, without the index.
std::vector<std::string> backbone_weight_files(const std::filesystem::path& directory);

// Identity as above, 64 hex digits. Throws BackboneError for a missing or unreadable file.
std::string backbone_sha256(const std::filesystem::path& directory);

// What config.json says.
struct BackboneSummary {
  std::string sha256;
  std::string model_type;  // "bert"
  int hidden_size = 0;
  int layers = 0;
  int heads = 0;
  int vocabulary_size = 0;
  int max_positions = 0;
};

// Reads config.json and hashes the directory. Throws BackboneError where it is not a BERT
// directory, or says it is something else than Graft computes: backbone_claims.h.
BackboneSummary summarize_backbone(const std::filesystem::path& directory);

}  // namespace graft
