// Loads a Hugging Face BERT directory into views over its maps.
#include "trainer/model/backbone.h"

#include <torch/torch.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "trainer/model/safetensors.h"

namespace graft {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(const std::string& message) {
  throw BackboneError("invalid_backbone", message);
}

class ConfigReader {
 public:
  explicit ConfigReader(const std::filesystem::path& path) {
    std::ifstream stream(path, std::ios::binary);
    config_ = json::parse(stream, nullptr, false);
    if (!config_.is_object()) refuse(path.string() + " is not a JSON object");
  }

  std::int64_t count(const char* key) const {
    const json value = config_.value(key, json());
    if (!value.is_number_integer() || value <= 0 || value > 1 << 24)
      refuse(std::string("config.json: ") + key + " must be a positive integer");
    return value.get<std::int64_t>();
  }

  std::int64_t count(const char* key, std::int64_t fallback) const {
    return missing(key) ? fallback : count(key);
  }

  double number(const char* key, double fallback, double limit = 1.0) const {
    if (missing(key)) return fallback;
    const json& value = config_[key];
    if (!value.is_number() || value < 0 || value >= limit)
      refuse(std::string("config.json: ") + key + " is out of range");
    return value.get<double>();
  }

  std::string text(const char* key, const char* fallback) const {
    if (missing(key)) return fallback;
    return config_[key].is_string() ? config_[key].get<std::string>() : config_[key].dump();
  }

 private:
  bool missing(const char* key) const { return !config_.contains(key) || config_[key].is_null(); }

  json config_;
};

BackboneConfig read_config(const std::filesystem::path& directory) {
  const ConfigReader reader(directory / "config.json");
  BackboneConfig config;
  config.hidden_size = reader.count("hidden_size");
  config.layers = reader.count("num_hidden_layers");
  config.heads = reader.count("num_attention_heads");
  config.intermediate_size = reader.count("intermediate_size");
  config.vocabulary_size = reader.count("vocab_size");
  config.max_positions = reader.count("max_position_embeddings");
  config.token_types = reader.count("type_vocab_size", 2);
  config.layer_norm_epsilon = reader.number("layer_norm_eps", 1e-12);
  config.hidden_dropout = reader.number("hidden_dropout_prob", 0.1);
  config.attention_dropout = reader.number("attention_probs_dropout_prob", 0.1);
  config.head_dropout = reader.number("classifier_dropout", config.hidden_dropout);
  config.initializer_range = reader.number("initializer_range", 0.02);
  config.name_or_path = reader.text("_name_or_path", "");
  if (config.hidden_size % config.heads != 0)
    refuse("config.json: hidden_size is not a multiple of num_attention_heads");
  const std::string activation = reader.text("hidden_act", "gelu");
  // Known: check_model_claims() has seen it.
  config.activation = parse_activation(activation == "silu" ? "swish" : activation).value();
  return config;
}

// Finds tensors by the names of today, whatever the checkpoint calls them, and checks their shapes.
class WeightReader {
 public:
  WeightReader(const std::filesystem::path& directory, BackboneWeights& backbone) {
    for (const std::string& name : backbone_weight_files(directory)) {
      try {
        auto file = std::make_shared<const MappedFile>(directory / name);
        for (auto& [key, tensor] : read_safetensors(file->text()).tensors) {
          if (!tensors_.emplace(modern_name(key), std::move(tensor)).second)
            refuse(name + ": " + key + " appears twice");
        }
        backbone.files.push_back(std::move(file));
      } catch (const SafetensorsError& error) {
        refuse((directory / name).string() + ": " + error.what());
      } catch (const MappedFileError& error) {
        throw BackboneError("backbone_missing", error.what());
      }
    }
  }

  at::Tensor tensor(const std::string& name, at::IntArrayRef shape) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) refuse("the weights lack " + name);
    if (at::IntArrayRef(found->second.shape) != shape)
      refuse(name + " has shape " + text(found->second.shape) + ", config.json asks for " +
             text(shape));
    try {
      at::Tensor values = float_tensor(found->second);
      check_finite(name, values);
      return values;
    } catch (const SafetensorsError& error) {
      refuse(name + ": " + error.what());
    }
  }

  Linear linear(const std::string& name, std::int64_t out, std::int64_t in) const {
    return {tensor(name + ".weight", {out, in}), tensor(name + ".bias", {out})};
  }

  LayerNorm norm(const std::string& name, std::int64_t width) const {
    return {tensor(name + ".weight", {width}), tensor(name + ".bias", {width})};
  }

 private:
  static std::string modern_name(std::string name) {
    if (name.starts_with("bert.")) name.erase(0, 5);
    if (name.ends_with("LayerNorm.gamma")) name.replace(name.size() - 5, 5, "weight");
    if (name.ends_with("LayerNorm.beta")) name.replace(name.size() - 4, 4, "bias");
    return name;
  }

  // One vectorized pass, in which NaN survives: little beside the hash of the same bytes.
  static void check_finite(const std::string& name, const at::Tensor& values) {
    const auto [least, largest] = at::aminmax(values);
    if (std::isfinite(least.item<float>()) && std::isfinite(largest.item<float>())) return;
    refuse("the weights are damaged: " + name +
           " has values that are no finite numbers (NaN or infinite); fetch the backbone again");
  }

  static std::string text(at::IntArrayRef shape) {
    std::string line = "(";
    for (std::size_t i = 0; i < shape.size(); ++i)
      line += (i ? ", " : "") + std::to_string(shape[i]);
    return line + ")";
  }

  std::unordered_map<std::string, StoredTensor> tensors_;
};

BackboneLayer read_layer(const WeightReader& reader, const BackboneConfig& config,
                         std::int64_t index) {
  const std::string layer = "encoder.layer." + std::to_string(index) + ".";
  const std::int64_t hidden = config.hidden_size;
  const std::int64_t inner = config.intermediate_size;
  BackboneLayer weights;
  weights.query = reader.linear(layer + "attention.self.query", hidden, hidden);
  weights.key = reader.linear(layer + "attention.self.key", hidden, hidden);
  weights.value = reader.linear(layer + "attention.self.value", hidden, hidden);
  weights.attention_output = reader.linear(layer + "attention.output.dense", hidden, hidden);
  weights.attention_norm = reader.norm(layer + "attention.output.LayerNorm", hidden);
  weights.intermediate = reader.linear(layer + "intermediate.dense", inner, hidden);
  weights.output = reader.linear(layer + "output.dense", hidden, inner);
  weights.output_norm = reader.norm(layer + "output.LayerNorm", hidden);
  return weights;
}

}  // namespace

std::shared_ptr<const BackboneWeights> load_backbone(const std::filesystem::path& directory,
                                                     const std::string& expected_sha256) {
  const BackboneSummary summary = summarize_backbone(directory);
  if (!expected_sha256.empty() && summary.sha256 != expected_sha256)
    throw BackboneError("backbone_mismatch", directory.string() + " has identity " +
                                                 summary.sha256 + ", expected " + expected_sha256 +
                                                 ": its files were changed");
  auto backbone = std::make_shared<BackboneWeights>();
  backbone->config = read_config(directory);
  backbone->sha256 = summary.sha256;
  backbone->directory = directory;

  const BackboneConfig& config = backbone->config;
  const std::int64_t hidden = config.hidden_size;
  const WeightReader reader(directory, *backbone);
  const std::string embeddings = "embeddings.";
  backbone->word_embeddings =
      reader.tensor(embeddings + "word_embeddings.weight", {config.vocabulary_size, hidden});
  backbone->position_embeddings =
      reader.tensor(embeddings + "position_embeddings.weight", {config.max_positions, hidden});
  backbone->token_type_embeddings =
      reader.tensor(embeddings + "token_type_embeddings.weight", {config.token_types, hidden});
  backbone->embeddings_norm = reader.norm(embeddings + "LayerNorm", hidden);
  for (std::int64_t i = 0; i < config.layers; ++i)
    backbone->layers.push_back(read_layer(reader, config, i));
  return backbone;
}

}  // namespace graft
