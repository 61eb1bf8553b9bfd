// Copies of the tiny backbone of tests/reference that say or hold something else.
#pragma once

#include <torch/torch.h>

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/trainer/test_files.h"
#include "trainer/model/safetensors.h"
#include "trainer/text/mapped_file.h"

namespace graft {

class ChangedBackbone {
 public:
  ChangedBackbone() {
    for (const char* name :
         {"config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json"})
      std::filesystem::copy_file(tiny_bert() / name, scratch_.path() / name);
  }

  const std::filesystem::path& directory() const { return scratch_.path(); }

  // Members of a JSON file of the directory; null takes one away.
  void change(const char* file, const nlohmann::json& members) {
    const auto path = directory() / file;
    nlohmann::json json = std::filesystem::exists(path) ? nlohmann::json::parse(read_text(path))
                                                        : nlohmann::json::object();
    json.merge_patch(members);
    write_text(path, json.dump());
  }

  // Each tensor goes through change(name, tensor).
  void change_tensors(
      const std::function<at::Tensor(const std::string&, const at::Tensor&)>& change) {
    NamedTensors tensors;
    {
      const MappedFile file(directory() / "model.safetensors");
      for (const auto& [name, stored] : read_safetensors(file.text()).tensors)
        tensors.emplace_back(name, change(name, float_tensor(stored).clone()).contiguous());
    }
    write_text(directory() / "model.safetensors", write_safetensors(tensors));
  }

  // As a tokenizer.json of the same vocabulary, which lowers letters.
  nlohmann::json tokenizer_json() const {
    nlohmann::json vocabulary;
    std::istringstream lines(read_text(directory() / "vocab.txt"));
    int id = 0;
    for (std::string token; std::getline(lines, token); ++id) vocabulary[token] = id;
    const auto special = [&](const char* name) {
      return nlohmann::json{
          {"id", vocabulary.at(name)}, {"content", name}, {"special", true}, {"normalized", false}};
    };
    return {{"added_tokens", {special("[PAD]"), special("[CLS]"), special("[SEP]")}},
            {"normalizer",
             {{"type", "BertNormalizer"},
              {"clean_text", true},
              {"handle_chinese_chars", true},
              {"strip_accents", nullptr},
              {"lowercase", true}}},
            {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
            {"post_processor",
             {{"type", "BertProcessing"},
              {"cls", {"[CLS]", vocabulary.at("[CLS]")}},
              {"sep", {"[SEP]", vocabulary.at("[SEP]")}}}},
            {"model",
             {{"type", "WordPiece"},
              {"unk_token", "[UNK]"},
              {"continuing_subword_prefix", "##"},
              {"max_input_chars_per_word", 100},
              {"vocab", vocabulary}}}};
  }

  // A tokenizer with a token that the embeddings have no row for.
  void add_token_without_row(const char* content) {
    nlohmann::json tokenizer = tokenizer_json();
    const nlohmann::json config = nlohmann::json::parse(read_text(directory() / "config.json"));
    tokenizer["added_tokens"].push_back({{"id", config.at("vocab_size")},
                                         {"content", content},
                                         {"special", true},
                                         {"normalized", false}});
    write_text(directory() / "tokenizer.json", tokenizer.dump());
  }

  // One that reads single texts only.
  void have_one_token_type() {
    change("config.json", {{"type_vocab_size", 1}});
    change_tensors([](const std::string& name, const at::Tensor& tensor) {
      return name.ends_with("token_type_embeddings.weight") ? tensor.narrow(0, 0, 1) : tensor;
    });
  }

 private:
  ScratchDirectory scratch_;
};

}  // namespace graft
