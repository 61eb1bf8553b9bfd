// Each claim a member, each refusal its name, its value and the way out.
#include "trainer/contract/backbone_claims.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "trainer/contract/backbone_identity.h"
#include "trainer/contract/backbone_json.h"
#include "trainer/contract/specification.h"

namespace graft {
namespace {

using nlohmann::json;

constexpr std::uintmax_t tokenizer_limit_mib = 64;

[[noreturn]] void refuse(const std::string& message) {
  throw BackboneError("invalid_backbone", message);
}

// A member that may be absent or null.
const json& member(const json& object, const char* name) {
  static const json none;
  if (!object.is_object()) return none;
  const auto found = object.find(name);
  return found == object.end() ? none : *found;
}

std::string named(const char* file, const char* name, const json& value) {
  return std::string(file) + ": " + name + " " +
         value.dump(-1, ' ', false, json::error_handler_t::replace);
}

// Nothing, false, 0, "", [] and {} claim nothing.
bool claims_nothing(const json& value) {
  return value.is_null() || value == false || value == 0 || value == "" ||
         (value.is_structured() && value.empty());
}

// A flag of Hugging Face's files. nullopt: not said.
std::optional<bool> flag(const json& object, const char* file, const char* name) {
  const json& value = member(object, name);
  if (value.is_null()) return std::nullopt;
  if (!value.is_boolean()) refuse(named(file, name, value) + " must be true or false");
  return value.get<bool>();
}

// ---- config.json -------------------------------------------------------------------------------

struct Claim {
  const char* name;
  const char* meaning;  // what Graft would have to compute for it
};

constexpr std::array<Claim, 7> model_claims{{
    {"is_decoder", "each token would see those before it only"},
    {"add_cross_attention", "it reads the states of another model"},
    {"is_encoder_decoder", "it is two models in one"},
    {"pruned_heads", "its layers have different numbers of heads"},
    {"quantization_config", "its weights are kept in another form"},
    {"auto_map", "it comes with code of its own"},
    {"tie_encoder_decoder", "it is two models in one"},
}};

void check_config(const json& config) {
  constexpr const char* file = "config.json";
  for (const Claim& claim : model_claims)
    if (const json& value = member(config, claim.name); !claims_nothing(value))
      refuse(named(file, claim.name, value) + " is not supported: " + claim.meaning +
             "; Graft computes BERT's encoder alone");
  const json& positions = member(config, "position_embedding_type");
  if (!positions.is_null() && positions != "absolute")
    refuse(named(file, "position_embedding_type", positions) +
           " is not supported; Graft computes \"absolute\" positions");
  const json& activation = member(config, "hidden_act");
  if (activation.is_null()) return;
  if (!activation.is_string() ||
      (activation != "silu" && !parse_activation(activation.get<std::string>())))
    refuse(named(file, "hidden_act", activation) +
           " is not supported; gelu, gelu_new, relu, silu, swish and tanh are");
}

// ---- Tokenizer ---------------------------------------------------------------------------------

constexpr std::array<std::string_view, 2> bert_tokenizers{"BertTokenizer", "BertTokenizerFast"};
// They take tokenizer.json as it is, whose parts are checked where it is read.
constexpr std::array<std::string_view, 2> plain_tokenizers{"PreTrainedTokenizerFast",
                                                           "TokenizersBackend"};

bool is_one_of(std::span<const std::string_view> names, const json& value) {
  return value.is_string() && std::ranges::find(names, value.get<std::string>()) != names.end();
}

// Refuses what is no WordPiece of BERT's.
void check_class(const json& object, const char* file, bool has_tokenizer_json) {
  const json& name = member(object, "tokenizer_class");
  if (name.is_null() || is_one_of(bert_tokenizers, name)) return;
  if (is_one_of(plain_tokenizers, name)) {
    if (has_tokenizer_json) return;
    refuse(named(file, "tokenizer_class", name) + " needs a tokenizer.json, which is missing");
  }
  refuse(named(file, "tokenizer_class", name) +
         " is not supported; Graft reads BERT's WordPiece: BertTokenizer or BertTokenizerFast");
}

void check_tokenizer_config(const json& config) {
  constexpr const char* file = "tokenizer_config.json";
  const auto only = [&](const char* name, std::string_view allowed) {
    const json& value = member(config, name);
    if (!value.is_null() && value != allowed)
      refuse(named(file, name, value) + " is not supported; Graft splits words as BERT's own " +
             "tokenizer does (" + std::string(allowed) + ")");
  };
  only("word_tokenizer_type", "basic");
  only("subword_tokenizer_type", "wordpiece");
  if (flag(config, file, "do_basic_tokenize") == false ||
      flag(config, file, "do_word_tokenize") == false ||
      flag(config, file, "do_subword_tokenize") == false)
    refuse(std::string(file) +
           ": do_basic_tokenize, do_word_tokenize or do_subword_tokenize is false, which is not "
           "supported");
  for (const char* name : {"never_split", "auto_map", "mecab_kwargs", "sudachi_kwargs",
                           "jumanpp_kwargs", "normalization", "split_by_punct"})
    if (const json& value = member(config, name); !claims_nothing(value))
      refuse(named(file, name, value) + " is not supported by Graft's tokenizer");
  for (const char* name : {"do_lower_case", "strip_accents", "tokenize_chinese_chars"})
    flag(config, file, name);
}

std::string yes_or_no(bool value) {
  return value ? "true" : "false";
}

// Both files must say the same; AutoTokenizer lets tokenizer_config.json win, and tokenizers alone
// tokenizer.json.
void check_normalizer(const json& config, const json& tokenizer) {
  constexpr const char* config_file = "tokenizer_config.json";
  constexpr const char* tokenizer_file = "tokenizer.json: normalizer";
  const json& normalizer = member(tokenizer, "normalizer");
  const bool asked_lower = flag(config, config_file, "do_lower_case").value_or(true);
  const bool lower = flag(normalizer, tokenizer_file, "lowercase").value_or(true);
  const auto agree = [&](const char* config_name, bool asked, const char* name, bool found) {
    if (asked == found) return;
    const bool said = !member(config, config_name).is_null();
    refuse(std::string("the tokenizer's files contradict each other: tokenizer_config.json ") +
           (said ? "says " : "says nothing, hence ") + config_name + " " + yes_or_no(asked) +
           ", tokenizer.json has " + name + " " + yes_or_no(found) +
           "; let both say what the weights were trained with");
  };
  agree("do_lower_case", asked_lower, "lowercase", lower);
  agree("strip_accents", flag(config, config_file, "strip_accents").value_or(asked_lower),
        "strip_accents", flag(normalizer, tokenizer_file, "strip_accents").value_or(lower));
  agree("tokenize_chinese_chars",
        flag(config, config_file, "tokenize_chinese_chars").value_or(true), "handle_chinese_chars",
        flag(normalizer, tokenizer_file, "handle_chinese_chars").value_or(true));
}

// A special token's name, written as a string or as an object with its content; empty: not said.
std::string special_token(const json& config, const char* name) {
  const json& value = member(config, name);
  const json& text = value.is_object() ? member(value, "content") : value;
  return text.is_string() ? text.get<std::string>() : "";
}

void check_special_tokens(const json& config, const json& tokenizer) {
  const auto agree = [&](const char* name, const std::string& found, const char* place) {
    const std::string asked = special_token(config, name);
    if (asked.empty() || found.empty() || asked == found) return;
    refuse(std::string("the tokenizer's files contradict each other: tokenizer_config.json has ") +
           name + " \"" + asked + "\", tokenizer.json \"" + found + "\" in " + place);
  };
  const json& unknown = member(member(tokenizer, "model"), "unk_token");
  agree("unk_token", unknown.is_string() ? unknown.get<std::string>() : "", "model.unk_token");
  const json& frame = member(tokenizer, "post_processor");
  for (const char* name : {"cls", "sep"}) {
    const json& pair = member(frame, name);  // of BertProcessing
    if (pair.is_array() && !pair.empty() && pair[0].is_string())
      agree((std::string(name) + "_token").c_str(), pair[0].get<std::string>(), "post_processor");
  }
  const json& special = member(frame, "special_tokens");  // of TemplateProcessing
  if (!special.is_object()) return;
  for (const char* name : {"cls_token", "sep_token"})
    if (const std::string asked = special_token(config, name);
        !asked.empty() && !special.contains(asked))
      refuse(
          std::string("the tokenizer's files contradict each other: tokenizer_config.json has ") +
          name + " \"" + asked + "\", which tokenizer.json's post_processor does not use");
}

}  // namespace

void check_model_claims(const std::filesystem::path& directory) {
  check_config(read_backbone_json(directory / "config.json"));
}

void check_tokenizer_claims(const std::filesystem::path& directory) {
  const auto read_if_there = [&](const char* name) {
    const auto path = directory / name;
    return std::filesystem::exists(path) ? read_backbone_json(path, tokenizer_limit_mib) : json();
  };
  const bool has_tokenizer_json = std::filesystem::exists(directory / "tokenizer.json");
  check_class(read_if_there("config.json"), "config.json", has_tokenizer_json);
  const json config = read_if_there("tokenizer_config.json");
  if (config.is_null()) return;
  check_class(config, "tokenizer_config.json", has_tokenizer_json);
  check_tokenizer_config(config);
  if (!has_tokenizer_json) return;
  const json tokenizer = read_if_there("tokenizer.json");
  if (!is_one_of(plain_tokenizers, member(config, "tokenizer_class")))
    check_normalizer(config, tokenizer);
  check_special_tokens(config, tokenizer);
}

}  // namespace graft
