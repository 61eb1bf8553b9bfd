// Hash and summary of a Hugging Face BERT directory.
#include "trainer/contract/backbone_identity.h"

#include <fstream>
#include <set>
#include <system_error>

#include "trainer/contract/backbone_claims.h"
#include "trainer/contract/backbone_json.h"
#include "trainer/durable/sha256.h"

namespace graft {
namespace {

using nlohmann::json;

int positive(const json& config, const char* key) {
  const auto found = config.find(key);
  if (found == config.end() || !found->is_number_integer() || *found <= 0 || *found > 1 << 24)
    throw BackboneError("invalid_backbone",
                        std::string("config.json: ") + key + " must be a positive integer");
  return found->get<int>();
}

// Order matters: it is part of the identity.
std::vector<std::string> identity_files(const std::filesystem::path& directory) {
  std::vector<std::string> names{"config.json"};
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "vocab.txt"})
    if (std::filesystem::exists(directory / name)) names.emplace_back(name);
  const auto weights = backbone_weight_files(directory);
  if (weights.size() != 1 || weights.front() != "model.safetensors")
    names.emplace_back("model.safetensors.index.json");
  names.insert(names.end(), weights.begin(), weights.end());
  return names;
}

}  // namespace

json read_backbone_json(const std::filesystem::path& path, std::uintmax_t limit_mib) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error) throw BackboneError("backbone_missing", path.string() + ": " + error.message());
  if (size > limit_mib << 20)
    throw BackboneError("invalid_backbone",
                        path.string() + " is larger than " + std::to_string(limit_mib) + " MiB");
  std::ifstream stream(path, std::ios::binary);
  json value = json::parse(stream, nullptr, /*allow_exceptions=*/false);
  if (!value.is_object())
    throw BackboneError("invalid_backbone", path.string() + " is not a JSON object");
  return value;
}

std::vector<std::string> backbone_weight_files(const std::filesystem::path& directory) {
  std::error_code error;
  if (!std::filesystem::is_directory(directory, error))
    throw BackboneError("backbone_missing", "no backbone directory at " + directory.string());
  if (std::filesystem::exists(directory / "model.safetensors", error)) return {"model.safetensors"};
  const auto index_path = directory / "model.safetensors.index.json";
  if (!std::filesystem::exists(index_path, error))
    throw BackboneError("backbone_missing", directory.string() +
                                                " has neither model.safetensors nor "
                                                "model.safetensors.index.json");
  const json index = read_backbone_json(index_path);
  const auto map = index.find("weight_map");
  if (map == index.end() || !map->is_object() || map->empty())
    throw BackboneError("invalid_backbone", index_path.string() + " has no weight_map");
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : map->items()) {
    const std::string name = shard.is_string() ? shard.get<std::string>() : "";
    if (name.empty() || name.find('/') != std::string::npos || name.front() == '.')
      throw BackboneError("invalid_backbone", index_path.string() + ": the file of " + tensor +
                                                  " must be a name inside the directory");
    shards.insert(name);
  }
  return {shards.begin(), shards.end()};
}

std::string backbone_sha256(const std::filesystem::path& directory) {
  std::string lines;
  for (const std::string& name : identity_files(directory)) {
    try {
      lines += sha256_of_file(directory / name) + "  " + name + "\n";
    } catch (const std::system_error& error) {
      throw BackboneError("backbone_missing", error.what());
    }
  }
  return sha256_of_bytes(lines);
}

BackboneSummary summarize_backbone(const std::filesystem::path& directory) {
  backbone_weight_files(directory);  // the clearest error where there is no such directory
  const json config = read_backbone_json(directory / "config.json");
  BackboneSummary summary;
  const auto type = config.find("model_type");
  if (type != config.end() && type->is_string()) summary.model_type = type->get<std::string>();
  if (summary.model_type != "bert")
    throw BackboneError("invalid_backbone", "config.json: model_type must be \"bert\", not \"" +
                                                summary.model_type + "\"");
  check_model_claims(directory);
  check_tokenizer_claims(directory);
  summary.hidden_size = positive(config, "hidden_size");
  summary.layers = positive(config, "num_hidden_layers");
  summary.heads = positive(config, "num_attention_heads");
  summary.vocabulary_size = positive(config, "vocab_size");
  summary.max_positions = positive(config, "max_position_embeddings");
  summary.sha256 = backbone_sha256(directory);
  return summary;
}

}  // namespace graft
