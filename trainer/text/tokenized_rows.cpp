// See the header.
#include "trainer/text/tokenized_rows.h"

#include <utility>

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

TokenizedRows::TokenizedRows(TokenSpans file, std::vector<std::uint32_t> chosen)
    : file_(std::move(file)), chosen_(std::move(chosen)) {}

std::int64_t TokenizedRows::length(std::size_t row) const {
  if (!file_.owner) return offsets[row + 1] - offsets[row];
  const std::size_t place = chosen_[row];
  return file_.offsets[place + 1] - file_.offsets[place];
}

std::int64_t TokenizedRows::tokens() const {
  std::int64_t sum = 0;
  for (std::size_t row = 0; row < size(); ++row) sum += length(row);
  return sum;
}

std::span<const std::int32_t> TokenizedRows::row_ids(std::size_t row) const {
  const auto all = file_.owner ? file_.ids : std::span(ids);
  const auto begin = file_.owner ? file_.offsets[chosen_[row]] : offsets[row];
  return all.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(length(row)));
}

std::span<const std::uint8_t> TokenizedRows::row_type_ids(std::size_t row) const {
  const auto all = file_.owner ? file_.type_ids : std::span(type_ids);
  const auto begin = file_.owner ? file_.offsets[chosen_[row]] : offsets[row];
  return all.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(length(row)));
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
