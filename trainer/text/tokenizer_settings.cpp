// See the header. Both readers end in the same settings; defaults are Hugging Face's.
#include "trainer/text/tokenizer_settings.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "trainer/contract/backbone_claims.h"
#include "trainer/contract/backbone_identity.h"
#include "trainer/text/mapped_file.h"
#include "trainer/text/tokenizer.h"

namespace graft {
namespace {

using Json = nlohmann::json;
using std::filesystem::path;

Json read_json(const path& file) {
  try {
    return Json::parse(MappedFile(file).text());
  } catch (const Json::exception& error) {
    throw TokenizerError(file.string() + " is not valid JSON: " + error.what());
  } catch (const MappedFileError& error) {
    throw TokenizerError(error.what());
  }
}

// A member that may be absent or null.
const Json& member(const Json& object, const char* name) {
  static const Json null;
  if (!object.is_object()) return null;
  const auto found = object.find(name);
  return found == object.end() ? null : *found;
}

bool flag(const Json& object, const char* name, bool otherwise) {
  const Json& value = member(object, name);
  return value.is_boolean() ? value.get<bool>() : otherwise;
}

std::string text_of(const Json& object, const char* name, const std::string& otherwise) {
  const Json& value = member(object, name);
  return value.is_string() ? value.get<std::string>() : otherwise;
}

std::int32_t read_id(const Json& value, const std::string& what) {
  if (!value.is_number_integer() || value.get<std::int64_t>() < 0 ||
      value.get<std::int64_t>() > std::numeric_limits<std::int32_t>::max() - 1) {
    throw TokenizerError(what + " is not a token id");
  }
  return value.get<std::int32_t>();
}

std::optional<std::int32_t> find_token(const TokenizerSettings& settings,
                                       const std::string& token) {
  for (const AddedToken& added : settings.added_tokens) {
    if (added.content == token) return added.id;
  }
  for (const auto& [content, id] : settings.word_piece.vocabulary) {
    if (content == token) return id;
  }
  return std::nullopt;
}

std::int32_t require_token(const TokenizerSettings& settings, const std::string& token) {
  const std::optional<std::int32_t> id = find_token(settings, token);
  if (!id) throw TokenizerError("the vocabulary has no token \"" + token + "\"");
  return *id;
}

void set_bert_frames(TokenizerSettings& settings, std::int32_t cls, std::int32_t sep) {
  const auto special = [](std::int32_t id, std::uint8_t type_id) {
    return FramePiece{FramePiece::Kind::special_tokens, {id}, type_id};
  };
  settings.single_frame = {special(cls, 0), {FramePiece::Kind::text, {}, 0}, special(sep, 0)};
  settings.pair_frame = settings.single_frame;
  settings.pair_frame.push_back({FramePiece::Kind::pair, {}, 1});
  settings.pair_frame.push_back(special(sep, 1));
}

AddedToken read_added_token(const Json& json, std::int32_t id) {
  AddedToken token;
  token.content = text_of(json, "content", "");
  token.id = id;
  token.single_word = flag(json, "single_word", false);
  token.strips_left = flag(json, "lstrip", false);
  token.strips_right = flag(json, "rstrip", false);
  token.normalized = flag(json, "normalized", false);
  return token;
}

// ---- tokenizer.json ----------------------------------------------------------------------------

void require_type(const Json& part, const char* part_name, const char* type) {
  const std::string found = part.is_null() ? "none" : text_of(part, "type", "none");
  if (found != type) {
    throw TokenizerError(std::string(part_name) + " is of type " + found + ", not " + type +
                         "; Graft reads BERT's WordPiece tokenizers only");
  }
}

NormalizationRules read_normalizer(const Json& json) {
  require_type(json, "normalizer", "BertNormalizer");
  NormalizationRules rules;
  rules.clean_text = flag(json, "clean_text", true);
  rules.handle_chinese_chars = flag(json, "handle_chinese_chars", true);
  rules.lowercase = flag(json, "lowercase", true);
  rules.strip_accents = flag(json, "strip_accents", rules.lowercase);
  return rules;
}

WordPieceSettings read_model(const Json& json) {
  require_type(json, "model", "WordPiece");
  WordPieceSettings model;
  model.unknown_token = text_of(json, "unk_token", model.unknown_token);
  model.continuing_prefix = text_of(json, "continuing_subword_prefix", model.continuing_prefix);
  const Json& longest = member(json, "max_input_chars_per_word");
  if (longest.is_number_unsigned()) model.max_word_code_points = longest.get<std::size_t>();
  const Json& vocabulary = member(json, "vocab");
  if (!vocabulary.is_object()) throw TokenizerError("model.vocab is not an object");
  model.vocabulary.reserve(vocabulary.size());
  for (const auto& [token, id] : vocabulary.items()) {
    model.vocabulary.emplace_back(token, read_id(id, "model.vocab \"" + token + "\""));
  }
  return model;
}

std::vector<FramePiece> read_template(const Json& pieces, const Json& special_tokens) {
  std::vector<FramePiece> frame;
  for (const Json& json : pieces) {
    const bool is_special = json.contains("SpecialToken");
    const Json& body = json.at(is_special ? "SpecialToken" : "Sequence");
    FramePiece piece;
    const std::int32_t type_id = read_id(body.at("type_id"), "post_processor type_id");
    if (type_id > 255) throw TokenizerError("post_processor type_id is over 255");
    piece.type_id = static_cast<std::uint8_t>(type_id);
    const std::string name = body.at("id").get<std::string>();
    if (is_special) {
      piece.kind = FramePiece::Kind::special_tokens;
      for (const Json& id : special_tokens.at(name).at("ids")) {
        piece.ids.push_back(read_id(id, "post_processor id of " + name));
      }
    } else {
      piece.kind = name == "A" ? FramePiece::Kind::text : FramePiece::Kind::pair;
    }
    frame.push_back(std::move(piece));
  }
  return frame;
}

void read_post_processor(const Json& json, TokenizerSettings& settings) {
  const std::string type = text_of(json, "type", "none");
  if (type == "TemplateProcessing") {
    const Json& special_tokens = json.at("special_tokens");
    settings.single_frame = read_template(json.at("single"), special_tokens);
    settings.pair_frame = read_template(json.at("pair"), special_tokens);
  } else if (type == "BertProcessing") {
    set_bert_frames(settings, read_id(json.at("cls").at(1), "post_processor.cls"),
                    read_id(json.at("sep").at(1), "post_processor.sep"));
  } else {
    require_type(json, "post_processor", "TemplateProcessing or BertProcessing");
  }
}

TokenizerSettings read_tokenizer_json(const Json& json) {
  TokenizerSettings settings;
  settings.word_piece = read_model(member(json, "model"));
  settings.normalization = read_normalizer(member(json, "normalizer"));
  require_type(member(json, "pre_tokenizer"), "pre_tokenizer", "BertPreTokenizer");
  const Json& added_tokens = member(json, "added_tokens");
  for (const Json& added : added_tokens) {
    settings.added_tokens.push_back(
        read_added_token(added, read_id(added.at("id"), "added_tokens id")));
  }
  read_post_processor(member(json, "post_processor"), settings);
  const Json& padding_id = member(member(json, "padding"), "pad_id");
  settings.padding_id = padding_id.is_null() ? find_token(settings, "[PAD]").value_or(0)
                                             : read_id(padding_id, "padding.pad_id");
  return settings;
}

// ---- vocab.txt ---------------------------------------------------------------------------------

std::vector<std::pair<std::string, std::int32_t>> read_vocab_txt(const path& file) {
  std::vector<std::pair<std::string, std::int32_t>> vocabulary;
  const MappedFile mapped(file);
  std::string_view rest = mapped.text();
  while (!rest.empty()) {
    const std::size_t newline = rest.find('\n');
    std::string_view token = rest.substr(0, newline);
    rest.remove_prefix(newline == std::string_view::npos ? rest.size() : newline + 1);
    while (!token.empty() &&
           (token.back() == '\r' || token.back() == ' ' || token.back() == '\t')) {
      token.remove_suffix(1);
    }
    vocabulary.emplace_back(token, static_cast<std::int32_t>(vocabulary.size()));
  }
  return vocabulary;
}

// A special token's name, written as a string or as an object with its content.
std::string special_token_name(const Json& config, const char* name, const char* otherwise) {
  const Json& value = member(config, name);
  return value.is_object() ? text_of(value, "content", otherwise)
                           : text_of(config, name, otherwise);
}

TokenizerSettings read_vocab_and_config(const path& vocab_file, const Json& config) {
  TokenizerSettings settings;
  settings.word_piece.vocabulary = read_vocab_txt(vocab_file);
  NormalizationRules& rules = settings.normalization;
  rules.lowercase = flag(config, "do_lower_case", true);
  rules.strip_accents = flag(config, "strip_accents", rules.lowercase);
  rules.handle_chinese_chars = flag(config, "tokenize_chinese_chars", true);
  settings.word_piece.unknown_token = special_token_name(config, "unk_token", "[UNK]");

  const Json& decoder = member(config, "added_tokens_decoder");
  if (decoder.is_object()) {
    for (const auto& [id, token] : decoder.items()) {
      const Json number = Json::parse(id, nullptr, false);
      settings.added_tokens.push_back(
          read_added_token(token, read_id(number, "added_tokens_decoder \"" + id + "\"")));
    }
  }
  const std::string cls = special_token_name(config, "cls_token", "[CLS]");
  const std::string sep = special_token_name(config, "sep_token", "[SEP]");
  const std::string pad = special_token_name(config, "pad_token", "[PAD]");
  const std::string mask = special_token_name(config, "mask_token", "[MASK]");
  for (const std::string& name : {settings.word_piece.unknown_token, sep, pad, cls, mask}) {
    const std::optional<std::int32_t> id = find_token(settings, name);
    const auto is_it = [&](const AddedToken& token) { return token.content == name; };
    if (id && std::ranges::none_of(settings.added_tokens, is_it)) {
      AddedToken token;
      token.content = name;
      token.id = *id;
      settings.added_tokens.push_back(std::move(token));
    }
  }
  set_bert_frames(settings, require_token(settings, cls), require_token(settings, sep));
  settings.padding_id = find_token(settings, pad).value_or(0);
  return settings;
}

}  // namespace

TokenizerSettings read_tokenizer_settings(const path& backbone_directory) {
  const path json_file = backbone_directory / "tokenizer.json";
  const path vocab_file = backbone_directory / "vocab.txt";
  const path config_file = backbone_directory / "tokenizer_config.json";
  const bool has_json = std::filesystem::exists(json_file);
  if (!has_json && !std::filesystem::exists(vocab_file)) {
    throw TokenizerError(backbone_directory.string() +
                         " has neither tokenizer.json nor vocab.txt; a backbone is a Hugging Face "
                         "BERT directory");
  }
  const path& file = has_json ? json_file : vocab_file;
  Json json;
  if (has_json || std::filesystem::exists(config_file)) {
    json = read_json(has_json ? json_file : config_file);
  }
  try {
    check_tokenizer_claims(backbone_directory);
  } catch (const BackboneError& error) {
    throw TokenizerError(error.what());
  }
  try {
    return has_json ? read_tokenizer_json(json) : read_vocab_and_config(vocab_file, json);
  } catch (const Json::exception& error) {
    throw TokenizerError(file.string() + " has an unexpected structure: " + error.what());
  } catch (const TokenizerError& error) {
    throw TokenizerError(file.string() + ": " + error.what());
  } catch (const MappedFileError& error) {
    throw TokenizerError(error.what());
  }
}

}  // namespace graft
