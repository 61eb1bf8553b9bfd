// Backbone directories: what loads, what is refused and why, and their identity.
#include "trainer/model/backbone.h"

#include <doctest/doctest.h>
#include <torch/torch.h>

#include <nlohmann/json.hpp>

#include "tests/trainer/test_files.h"
#include "trainer/model/safetensors.h"

namespace graft {
namespace {

using nlohmann::json;

void copy_backbone(const std::filesystem::path& to) {
  std::filesystem::create_directories(to);
  for (const char* name :
       {"config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json"})
    std::filesystem::copy_file(tiny_bert() / name, to / name);
}

void change_config(const std::filesystem::path& directory, const char* key, const json& value) {
  json config = json::parse(read_text(directory / "config.json"));
  config[key] = value;
  write_text(directory / "config.json", config.dump());
}

struct Refusal {
  std::string code, message;
};

Refusal refusal(const std::filesystem::path& directory, const std::string& expected = "") {
  try {
    load_backbone(directory, expected);
  } catch (const BackboneError& error) {
    return {error.code(), error.what()};
  }
  return {"accepted", ""};
}

NamedTensors tensors_of(const std::filesystem::path& directory, const MappedFile& file) {
  CAPTURE(directory);
  NamedTensors tensors;
  for (const auto& [name, tensor] : read_safetensors(file.text()).tensors)
    tensors.emplace_back(name, float_tensor(tensor));
  return tensors;
}

}  // namespace

TEST_CASE("a directory loads with its weights viewed over the map") {
  const auto backbone = load_backbone(tiny_bert());
  CHECK(backbone->config.hidden_size == 16);
  CHECK(backbone->layers.size() == 2);
  const std::string_view map = backbone->files.front()->text();
  const auto* place = static_cast<const char*>(backbone->layers[1].query.weight.const_data_ptr());
  CHECK(place >= map.data());
  CHECK(place < map.data() + map.size());
}

TEST_CASE("sharded weights, names with bert. and gamma and beta load as the same numbers") {
  const ScratchDirectory scratch;
  const auto directory = scratch.path() / "sharded";
  copy_backbone(directory);
  const MappedFile file(tiny_bert() / "model.safetensors");
  NamedTensors shards[2];
  json map;
  int next = 0;
  for (auto [name, tensor] : tensors_of(tiny_bert(), file)) {
    if (name.ends_with("LayerNorm.weight")) name.replace(name.size() - 6, 6, "gamma");
    if (name.ends_with("LayerNorm.bias")) name.replace(name.size() - 4, 4, "beta");
    const int shard = next++ % 2;
    shards[shard].emplace_back("bert." + name, tensor);
    map["bert." + name] = "model-" + std::to_string(shard) + ".safetensors";
  }
  for (int shard : {0, 1})
    write_text(directory / ("model-" + std::to_string(shard) + ".safetensors"),
               write_safetensors(shards[shard]));
  write_text(directory / "model.safetensors.index.json", json{{"weight_map", map}}.dump());
  std::filesystem::remove(directory / "model.safetensors");
  const auto sharded = load_backbone(directory), whole = load_backbone(tiny_bert());
  CHECK(at::equal(sharded->layers[1].output_norm.weight, whole->layers[1].output_norm.weight));
  CHECK(at::equal(sharded->layers[0].key.bias, whole->layers[0].key.bias));
  CHECK(at::equal(sharded->word_embeddings, whole->word_embeddings));
  CHECK(sharded->sha256 != whole->sha256);
}

TEST_CASE("what is missing, cut or of the wrong shape is refused with a reason") {
  const ScratchDirectory scratch;
  CHECK(refusal(scratch.path() / "nowhere").code == "backbone_missing");
  const auto directory = scratch.path() / "b";
  const auto refused = [&](const std::string& code, const std::string& part) {
    const Refusal why = refusal(directory);
    CAPTURE(why.message);
    CHECK(why.code == code);
    CHECK(why.message.find(part) != std::string::npos);
    std::filesystem::remove_all(directory);
    copy_backbone(directory);
  };
  copy_backbone(directory);
  std::filesystem::remove(directory / "model.safetensors");
  refused("backbone_missing", "model.safetensors");
  std::filesystem::remove(directory / "config.json");
  refused("backbone_missing", "config.json");
  std::filesystem::resize_file(directory / "model.safetensors", 20000);
  refused("invalid_backbone", "outside the file");
  change_config(directory, "model_type", "gpt2");
  refused("invalid_backbone", "model_type");
  change_config(directory, "intermediate_size", 48);
  refused("invalid_backbone", "shape (32, 16), config.json asks for (48, 16)");
  change_config(directory, "num_hidden_layers", 3);
  refused("invalid_backbone", "lack encoder.layer.2");
  change_config(directory, "num_attention_heads", 3);
  refused("invalid_backbone", "multiple of num_attention_heads");
  change_config(directory, "hidden_act", "sin");
  refused("invalid_backbone", "hidden_act");
  change_config(directory, "position_embedding_type", "relative_key");
  refused("invalid_backbone", "position_embedding_type");
  change_config(directory, "hidden_size", "wide");
  refused("invalid_backbone", "hidden_size");
}

TEST_CASE("an identity covers config, tokenizer and weights, and a mismatch is refused") {
  const ScratchDirectory scratch;
  const auto directory = scratch.path() / "b";
  copy_backbone(directory);
  const std::string sha256 = backbone_sha256(directory);
  CHECK(sha256 == backbone_sha256(tiny_bert()));
  CHECK(refusal(directory, sha256).code == "accepted");
  CHECK(refusal(directory, std::string(64, '0')).code == "backbone_mismatch");
  for (const char* name :
       {"config.json", "vocab.txt", "tokenizer_config.json", "model.safetensors"}) {
    CAPTURE(name);
    write_text(directory / name, read_text(directory / name) + " ");
    CHECK(backbone_sha256(directory) != sha256);
    std::filesystem::remove_all(directory);
    copy_backbone(directory);
  }
  write_text(directory / "README.md", "not part of it");
  CHECK(backbone_sha256(directory) == sha256);
}

TEST_CASE("the index of shards cannot name files elsewhere") {
  const ScratchDirectory scratch;
  copy_backbone(scratch.path() / "b");
  std::filesystem::remove(scratch.path() / "b/model.safetensors");
  write_text(scratch.path() / "b/model.safetensors.index.json",
             R"({"weight_map": {"x": "../b/model.safetensors"}})");
  CHECK(refusal(scratch.path() / "b").code == "invalid_backbone");
}

}  // namespace graft
