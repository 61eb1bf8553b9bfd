// What becomes of a customer's file: rows and labels as they are read, what is told before
// training, or the refusal's words. Private to the tests of accidents and doubts.
#pragma once

#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/scratch_directory.h"
#include "tests/trainer/data_files.h"
#include "tests/trainer/test_files.h"
#include "trainer/text/data_findings.h"
#include "trainer/text/dataset.h"
#include "trainer/text/tokenized_file.h"

namespace graft {

struct Outcome {
  std::size_t rows = 0;
  Strings labels;
  std::string told;     // all notes, a line each
  std::string refusal;  // empty: it was read
};

inline Outcome outcome_of(const std::string& name, const std::string& bytes,
                          const std::string& validation = "", TaskKind kind = TaskKind::automatic) {
  const ScratchDirectory scratch;
  const auto tokenizer = Tokenizer::load(tiny_bert());
  const auto file_of = [&](const std::string& file_name, const std::string& content) {
    const DataFile file{(scratch.path() / file_name).string(), file_name, ""};
    std::ofstream(file.path, std::ios::binary) << content;
    return file;
  };
  const std::string key(64, 'k');
  const auto tokens_of = [&](const DataFile& file, FileRole role, std::string& owned) {
    owned = *write_tokenized_file(read_data(file, role, {kind, {}}), tokenizer, 64, key,
                                  [] { return false; });
    return view_tokenized_file(owned, key, std::make_shared<int>(0));
  };
  Outcome outcome;
  try {
    std::string owned, owned_validation;
    const TokenizedFile training = tokens_of(file_of(name, bytes), FileRole::training, owned);
    std::optional<TokenizedFile> valid;
    if (!validation.empty())
      valid = tokens_of(file_of("valid.jsonl", validation), FileRole::validation, owned_validation);
    outcome.rows = training.rows();
    outcome.labels = training.labels.labels;
    for (const DataNote& note :
         find_in_data(training, name, valid ? &*valid : nullptr, "valid.jsonl", true))
      outcome.told += note.level + " " + note.message + "\n";
  } catch (const DataError& error) {
    outcome.refusal = error.what();
  }
  return outcome;
}

inline std::string json_rows(const Strings& labels) {
  std::string text;
  for (std::size_t i = 0; i < labels.size(); ++i)
    text += R"({"text": "text )" + std::to_string(i) + R"(", "label": ")" + labels[i] + "\"}\n";
  return text;
}

inline std::string csv_rows(const Strings& labels, char separator = ',') {
  std::string text = std::string("text") + separator + "label\n";
  for (std::size_t i = 0; i < labels.size(); ++i)
    text += "text " + std::to_string(i) + separator + labels[i] + "\n";
  return text;
}

}  // namespace graft
