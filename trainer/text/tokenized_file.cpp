// Layout: a header, then arrays by falling size of their elements, so that all lie aligned.
#include "trainer/text/tokenized_file.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>

#include "trainer/durable/sha256.h"

namespace graft {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::size_t stop_every = 256;  // rows

struct Header {
  std::array<char, 8> magic{'G', 'R', 'A', 'F', 'T', 'T', 'O', 'K'};
  std::uint64_t format_version = 3;
  std::uint64_t rows = 0, tokens = 0;
  std::uint64_t label_bytes = 0;  // labels, each with a line end behind it
  std::uint64_t note_bytes = 0;   // notes, each a level, a tab, a message and a line end
  std::int32_t largest_id = -1;
  std::uint16_t pairs = 0;
  std::uint16_t form = 0;          // of the labels
  std::int64_t fraction_line = 0;  // as of DataRows
  std::array<char, 64> key{};
  std::array<char, 64> sha256{};  // of the whole file with these bytes zero
};
static_assert(sizeof(Header) % 8 == 0);

// Zero where the sizes are too large to be added up.
std::uint64_t file_size(const Header& header) {
  constexpr std::uint64_t too_many = std::uint64_t{1} << 40;
  if (header.rows > too_many || header.tokens > too_many || header.label_bytes > too_many ||
      header.note_bytes > too_many)
    return 0;
  return sizeof(Header) + (header.rows + 1) * 8 + header.rows * 16 + header.tokens * 4 +
         header.rows * 4 + header.tokens + header.rows + header.label_bytes + header.note_bytes;
}

std::string hash_of(Header header, std::string_view rest) {
  header.sha256 = {};
  std::string start(sizeof header, '\0');
  std::memcpy(start.data(), &header, sizeof header);
  return sha256_of_bytes(start + sha256_of_bytes(rest));
}

template <class T>
void append(std::string& bytes, const std::vector<T>& values) {
  bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

template <class T>
std::span<const T> take(std::string_view& bytes, std::uint64_t count) {
  const std::span values(reinterpret_cast<const T*>(bytes.data()), count);
  bytes.remove_prefix(count * sizeof(T));
  return values;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  return lines;
}

// FNV-1a over both texts without the blanks at their ends, then mixed so that all bits count.
std::uint64_t text_hash(const Row& row) {
  std::uint64_t hash = 0xCBF29CE484222325;
  const auto take_byte = [&](unsigned char byte) { hash = (hash ^ byte) * 0x100000001B3; };
  for (const char c : trim(row.text)) take_byte(static_cast<unsigned char>(c));
  if (row.text_pair) {
    take_byte(0);  // which no text has
    for (const char c : trim(*row.text_pair)) take_byte(static_cast<unsigned char>(c));
  }
  hash = (hash ^ (hash >> 32)) * 0xD6E8FEB86659FD93;
  return hash ^ (hash >> 32);
}

}  // namespace

TokenizedRows TokenizedFile::choose(std::vector<std::uint32_t> chosen) const {
  std::int64_t cut = 0;
  for (const std::uint32_t row : chosen) cut += truncated[row];
  TokenizedRows rows(tokens, std::move(chosen));
  rows.truncated_rows = cut;
  return rows;
}

std::optional<std::string> write_tokenized_file(const DataRows& data, const Tokenizer& tokenizer,
                                                std::size_t max_length, std::string_view key,
                                                const std::function<bool()>& stop) {
  const std::vector<Row>& rows = data.rows;
  TokenizedRows tokens;
  std::vector<std::uint8_t> truncated;
  std::vector<std::uint64_t> hashes;
  for (const Row& row : rows) {
    if (truncated.size() % stop_every == 0 && stop()) return std::nullopt;
    const Encoding encoding = tokenizer.encode(row.text, row.text_pair, max_length);
    tokens.append(encoding);
    truncated.push_back(encoding.truncated ? 1 : 0);
    hashes.push_back(text_hash(row));
  }
  const LabelColumn labels = label_column(data);
  std::string names;
  for (const std::string& label : labels.labels) names += label + '\n';
  std::string notes;
  for (const DataNote& note : data.notes) notes += note.level + '\t' + note.message + '\n';

  Header header;
  header.rows = rows.size();
  header.tokens = tokens.ids.size();
  header.label_bytes = names.size();
  header.note_bytes = notes.size();
  header.largest_id =
      tokens.ids.empty() ? -1 : *std::max_element(tokens.ids.begin(), tokens.ids.end());
  header.pairs = labels.pairs ? 1 : 0;
  header.form = static_cast<std::uint16_t>(labels.form);
  header.fraction_line = labels.fraction_line;
  std::copy_n(key.begin(), std::min(key.size(), header.key.size()), header.key.begin());

  std::string bytes(sizeof header, '\0');
  bytes.reserve(file_size(header));
  append(bytes, tokens.offsets);
  append(bytes, labels.lines);
  append(bytes, hashes);
  append(bytes, tokens.ids);
  append(bytes, labels.ids);
  append(bytes, tokens.type_ids);
  append(bytes, truncated);
  bytes += names;
  bytes += notes;
  const std::string sha256 = hash_of(header, std::string_view(bytes).substr(sizeof header));
  std::copy_n(sha256.begin(), header.sha256.size(), header.sha256.begin());
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

TokenizedFile view_tokenized_file(std::string_view bytes, std::string_view key,
                                  std::shared_ptr<const void> owner) {
  Header header;
  if (bytes.size() < sizeof header) throw TokenizedFileError("shorter than its header");
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.magic != Header{}.magic || header.format_version != Header{}.format_version)
    throw TokenizedFileError("not a tokenized file of this version");
  if (std::string_view(header.key.data(), header.key.size()) != key)
    throw TokenizedFileError("made of something else");
  if (file_size(header) != bytes.size()) throw TokenizedFileError("has the wrong size (torn?)");
  bytes.remove_prefix(sizeof header);
  if (hash_of(header, bytes) != std::string_view(header.sha256.data(), header.sha256.size()))
    throw TokenizedFileError("has the wrong checksum");

  TokenizedFile file;
  file.tokens.owner = std::move(owner);
  file.tokens.offsets = take<std::int64_t>(bytes, header.rows + 1);
  const auto lines = take<std::int64_t>(bytes, header.rows);
  file.text_hashes = take<std::uint64_t>(bytes, header.rows);
  file.tokens.ids = take<std::int32_t>(bytes, header.tokens);
  const auto label_ids = take<std::int32_t>(bytes, header.rows);
  file.tokens.type_ids = take<std::uint8_t>(bytes, header.tokens);
  file.truncated = take<std::uint8_t>(bytes, header.rows);
  file.largest_id = header.largest_id;
  file.labels.pairs = header.pairs != 0;
  file.labels.form = static_cast<TargetForm>(header.form);
  file.labels.fraction_line = header.fraction_line;
  file.labels.lines.assign(lines.begin(), lines.end());
  file.labels.ids.assign(label_ids.begin(), label_ids.end());
  for (const std::string_view label : lines_of(bytes.substr(0, header.label_bytes)))
    file.labels.labels.emplace_back(label);
  for (const std::string_view note : lines_of(bytes.substr(header.label_bytes))) {
    const std::size_t tab = note.find('\t');
    file.notes.push_back({std::string(note.substr(0, tab)), std::string(note.substr(tab + 1))});
  }
  return file;
}

}  // namespace graft
