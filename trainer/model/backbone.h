// The frozen encoder that all tasks share: weights viewed over read-only maps, and its config.
//
// Any Hugging Face BERT directory loads (config.json with model_type "bert"; model.safetensors,
// single or sharded; tensor names with or without "bert."; gamma/beta of old checkpoints). What is
// wrong is refused with a reason. Never written after loading, so any number of threads may read
// it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "trainer/contract/backbone_identity.h"
#include "trainer/model/layers.h"
#include "trainer/text/mapped_file.h"

namespace graft {

struct BackboneConfig {
  std::int64_t hidden_size = 0;
  std::int64_t layers = 0;
  std::int64_t heads = 0;
  std::int64_t intermediate_size = 0;
  std::int64_t vocabulary_size = 0;
  std::int64_t max_positions = 0;
  std::int64_t token_types = 2;
  Activation activation = Activation::gelu;
  double layer_norm_epsilon = 1e-12;
  double hidden_dropout = 0.1;
  double attention_dropout = 0.1;
  double head_dropout = 0.1;  // classifier_dropout, else hidden_dropout
  double initializer_range = 0.02;
  std::string name_or_path;  // how Hugging Face calls it; may be empty
};

struct BackboneLayer {
  Linear query, key, value;  // (hidden, hidden)
  Linear attention_output;   // (hidden, hidden)
  LayerNorm attention_norm;  // (hidden)
  Linear intermediate;       // (intermediate, hidden)
  Linear output;             // (hidden, intermediate)
  LayerNorm output_norm;     // (hidden)
};

struct BackboneWeights {
  BackboneConfig config;
  std::string sha256;  // identity, see trainer/contract/backbone_identity.h
  std::filesystem::path directory;
  at::Tensor word_embeddings;        // (vocabulary, hidden)
  at::Tensor position_embeddings;    // (max_positions, hidden)
  at::Tensor token_type_embeddings;  // (token_types, hidden)
  LayerNorm embeddings_norm;
  std::vector<BackboneLayer> layers;
  std::vector<std::shared_ptr<const MappedFile>> files;  // what the tensors lie in
};

// Throws BackboneError; backbone_mismatch where expected_sha256 is not empty and differs.
std::shared_ptr<const BackboneWeights> load_backbone(const std::filesystem::path& directory,
                                                     const std::string& expected_sha256 = "");

}  // namespace graft
