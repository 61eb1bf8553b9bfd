// See the header.
#include "trainer/tokenized_rows.h"

namespace graft {
namespace {

template <class Input>
TokenizedRows tokenize(const Tokenizer& tokenizer, std::span<const Input> inputs,
                       std::size_t max_length) {
  TokenizedRows rows;
  rows.offsets.reserve(inputs.size() + 1);
  for (const Input& input : inputs) {
    rows.append(tokenizer.encode(input.text, input.text_pair, max_length));
  }
  return rows;
}

}  // namespace

std::span<const std::int32_t> TokenizedRows::row_ids(std::size_t row) const {
  return std::span(ids).subspan(static_cast<std::size_t>(offsets[row]),
                                static_cast<std::size_t>(length(row)));
}

std::span<const std::uint8_t> TokenizedRows::row_type_ids(std::size_t row) const {
  return std::span(type_ids).subspan(static_cast<std::size_t>(offsets[row]),
                                     static_cast<std::size_t>(length(row)));
}

void TokenizedRows::append(const Encoding& encoding) {
  ids.insert(ids.end(), encoding.ids.begin(), encoding.ids.end());
  type_ids.insert(type_ids.end(), encoding.type_ids.begin(), encoding.type_ids.end());
  offsets.push_back(static_cast<std::int64_t>(ids.size()));
  if (encoding.truncated) ++truncated_rows;
}

TokenizedRows tokenize_rows(const Tokenizer& tokenizer, std::span<const Row> rows,
                            std::size_t max_length) {
  return tokenize(tokenizer, rows, max_length);
}

TokenizedRows tokenize_inputs(const Tokenizer& tokenizer, std::span<const TextInput> inputs,
                              std::size_t max_length) {
  return tokenize(tokenizer, inputs, max_length);
}

}  // namespace graft
