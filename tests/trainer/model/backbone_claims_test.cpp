// Backbone directories that say they are something else than what would be computed: refused by
// name, or read as AutoTokenizer reads them.
#include "trainer/contract/backbone_claims.h"

#include <doctest/doctest.h>

#include <limits>
#include <optional>
#include <vector>

#include "tests/trainer/changed_backbone.h"
#include "trainer/model/backbone.h"
#include "trainer/model/token_bounds.h"
#include "trainer/text/tokenizer.h"

namespace graft {
namespace {

using nlohmann::json;

constexpr const char* config = "config.json";
constexpr const char* tokenizer_config = "tokenizer_config.json";
constexpr const char* tokenizer = "tokenizer.json";

// "": it opens, weights and tokenizer.
std::string refusal(const std::filesystem::path& directory) {
  try {
    check_tokenizer(Tokenizer::load(directory), load_backbone(directory)->config);
    return "";
  } catch (const BackboneError& error) {
    return error.what();
  } catch (const TokenizerError& error) {
    return error.what();
  }
}

struct Case {
  const char* file;
  json change;
  std::string refused;  // part of the words; empty: it opens
  bool with_tokenizer_json = false;
};

}  // namespace

TEST_CASE("a directory is what it says it is, or refused by name") {
  const std::vector<Case> cases{
      {config, {{"is_decoder", true}}, "config.json: is_decoder true"},
      {config, {{"is_decoder", false}, {"add_cross_attention", false}}, ""},
      {config, {{"add_cross_attention", true}}, "add_cross_attention"},
      {config, {{"is_encoder_decoder", true}}, "is_encoder_decoder"},
      {config, {{"position_embedding_type", "relative_key_query"}}, "relative_key_query"},
      {config, {{"position_embedding_type", "alibi"}}, "position_embedding_type"},
      {config, {{"position_embedding_type", nullptr}}, ""},
      {config, {{"position_embedding_type", 3}}, "position_embedding_type"},
      {config, {{"pruned_heads", {{"0", {1}}}}}, "pruned_heads"},
      {config, {{"pruned_heads", json::object()}}, ""},
      {config, {{"quantization_config", {{"bits", 4}}}}, "quantization_config"},
      {config, {{"auto_map", {{"AutoModel", "own.Model"}}}}, "auto_map"},
      {config, {{"hidden_act", "gelu_fast"}}, "hidden_act \"gelu_fast\""},
      {config, {{"hidden_act", "silu"}}, ""},
      {config, {{"hidden_act", 7}}, "hidden_act 7"},
      {config, {{"tokenizer_class", "BertJapaneseTokenizer"}}, "BertJapaneseTokenizer"},
      {config, {{"use_cache", true}, {"unknown", {1, 2}}}, ""},
      {tokenizer_config, {{"tokenizer_class", "BertJapaneseTokenizer"}}, "BertJapaneseTokenizer"},
      {tokenizer_config, {{"tokenizer_class", "BertweetTokenizer"}}, "BertweetTokenizer"},
      {tokenizer_config, {{"tokenizer_class", "CharacterTokenizer"}}, "CharacterTokenizer"},
      {tokenizer_config, {{"tokenizer_class", "RobertaTokenizerFast"}}, "RobertaTokenizerFast"},
      {tokenizer_config, {{"tokenizer_class", 5}}, "tokenizer_class 5"},
      {tokenizer_config, {{"tokenizer_class", "BertTokenizerFast"}}, ""},
      {tokenizer_config, {{"tokenizer_class", "PreTrainedTokenizerFast"}}, "tokenizer.json"},
      {tokenizer_config, {{"tokenizer_class", "PreTrainedTokenizerFast"}}, "", true},
      {tokenizer_config, {{"tokenizer_class", nullptr}}, ""},
      {tokenizer_config, {{"word_tokenizer_type", "mecab"}}, "word_tokenizer_type \"mecab\""},
      {tokenizer_config, {{"word_tokenizer_type", "basic"}}, ""},
      {tokenizer_config, {{"subword_tokenizer_type", "character"}}, "subword_tokenizer_type"},
      {tokenizer_config, {{"do_basic_tokenize", false}}, "do_basic_tokenize"},
      {tokenizer_config, {{"never_split", {"New York"}}}, "never_split"},
      {tokenizer_config, {{"never_split", nullptr}, {"do_basic_tokenize", true}}, ""},
      {tokenizer_config, {{"do_lower_case", "no"}}, "do_lower_case \"no\" must be true or false"},
      {tokenizer_config, {{"do_lower_case", false}}, ""},
      {tokenizer_config, {{"do_lower_case", true}}, "", true},
      {tokenizer_config, {{"do_lower_case", false}}, "contradict", true},
      {tokenizer_config, {{"strip_accents", false}}, "strip_accents false", true},
      {tokenizer_config, {{"strip_accents", true}}, "", true},
      {tokenizer_config, {{"tokenize_chinese_chars", false}}, "tokenize_chinese_chars", true},
      {tokenizer_config, {{"cls_token", "[START]"}}, "cls_token \"[START]\"", true},
      {tokenizer_config, {{"sep_token", {{"content", "</s>"}}}}, "sep_token \"</s>\"", true},
      {tokenizer_config, {{"unk_token", "[NONE]"}}, "unk_token \"[NONE]\"", true},
      {tokenizer_config, {{"cls_token", {{"content", "[CLS]"}}}}, "", true},
      {tokenizer, {{"normalizer", {{"lowercase", false}}}}, "do_lower_case true", true},
      {tokenizer, {{"normalizer", {{"strip_accents", false}}}}, "strip_accents", true},
      {tokenizer, {{"normalizer", {{"lowercase", "yes"}}}}, "lowercase", true},
      {tokenizer, {{"normalizer", {{"type", "BertNormalizer"}}}}, "", true},
  };
  for (const Case& one : cases) {
    CAPTURE(one.file);
    CAPTURE(one.change.dump());
    ChangedBackbone backbone;
    if (one.with_tokenizer_json)
      write_text(backbone.directory() / tokenizer, backbone.tokenizer_json().dump());
    backbone.change(one.file, one.change);
    const std::string why = refusal(backbone.directory());
    CAPTURE(why);
    if (one.refused.empty())
      CHECK(why.empty());
    else
      CHECK(why.find(one.refused) != std::string::npos);
    CHECK(why.find(backbone.directory().string() + "/config") == std::string::npos);
  }
}

TEST_CASE("both ways to write a tokenizer down give the same ids, cased and not") {
  for (const bool lower : {true, false}) {
    CAPTURE(lower);
    ChangedBackbone from_vocabulary, from_json;
    json tokens = from_json.tokenizer_json();
    tokens["normalizer"]["lowercase"] = lower;
    write_text(from_json.directory() / tokenizer, tokens.dump());
    for (ChangedBackbone* backbone : {&from_vocabulary, &from_json})
      backbone->change(tokenizer_config, {{"do_lower_case", lower}});
    const auto ids = [](const ChangedBackbone& backbone) {
      return Tokenizer::load(backbone.directory()).encode("The film is GOOD").ids;
    };
    CHECK(ids(from_vocabulary) == ids(from_json));
    CHECK((ids(from_json) == Tokenizer::load(tiny_bert()).encode("the film is good").ids) == lower);
  }
}

TEST_CASE("weights that are no finite numbers are refused by the tensor's name") {
  for (const float value :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity()}) {
    CAPTURE(value);
    for (const std::string broken :
         {"embeddings.word_embeddings.weight", "encoder.layer.1.output.dense.bias"}) {
      CAPTURE(broken);
      ChangedBackbone backbone;
      backbone.change_tensors([&](const std::string& name, const at::Tensor& tensor) {
        if (name.ends_with(broken)) tensor.view({-1})[tensor.numel() - 1] = value;
        return tensor;
      });
      const std::string why = refusal(backbone.directory());
      CHECK(why.find(broken + " has values that are no finite numbers") != std::string::npos);
    }
  }
}

TEST_CASE("a frame whose tokens have no row is refused when the backbone is opened") {
  ChangedBackbone backbone;
  json tokens = backbone.tokenizer_json();
  tokens["post_processor"]["sep"][1] = 125;
  write_text(backbone.directory() / tokenizer, tokens.dump());
  const std::string why = refusal(backbone.directory());
  CAPTURE(why);
  CHECK(why.find("does not fit the weights") != std::string::npos);
  CHECK(why.find("id 125") != std::string::npos);
}

TEST_CASE("every index into the embeddings is held against its table") {
  BackboneConfig sizes;
  sizes.vocabulary_size = 5;
  sizes.max_positions = 3;
  sizes.token_types = 2;
  const auto fault = [&](std::vector<std::int32_t> ids, std::vector<std::uint8_t> types) {
    return fault_of_tokens(sizes, ids, types).value_or("");
  };
  CHECK(fault({0, 4, 1}, {0, 1, 1}).empty());
  CHECK(fault({0, 5}, {0, 0}).find("id 5") != std::string::npos);
  CHECK(fault({-1}, {0}).find("id -1") != std::string::npos);
  CHECK(fault({1}, {2}).find("token type 2") != std::string::npos);
  CHECK(fault({1, 1, 1, 1}, {0, 0, 0, 0}).find("4 tokens") != std::string::npos);
  sizes.token_types = 1;
  CHECK(fault({1}, {1}).find("single texts only") != std::string::npos);
}

}  // namespace graft
