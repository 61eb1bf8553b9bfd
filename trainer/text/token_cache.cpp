// Keys, files and their removal.
#include "trainer/text/token_cache.h"

#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <vector>

#include "trainer/contract/row_shape.h"
#include "trainer/durable/atomic_file.h"
#include "trainer/durable/sha256.h"
#include "trainer/text/log.h"
#include "trainer/text/mapped_file.h"

namespace graft {
namespace {

namespace fs = std::filesystem;

// Of reading files into rows and rows into tokens: moves on where the same bytes give others.
constexpr int reading_version = 5;

}  // namespace

std::string tokenizer_identity(const fs::path& backbone_directory) {
  std::string text;
  for (const char* name : {"tokenizer.json", "vocab.txt", "tokenizer_config.json"}) {
    const fs::path path = backbone_directory / name;
    if (fs::exists(path)) text += sha256_of_file(path) + "  " + name + "\n";
  }
  return sha256_of_bytes(text);
}

TokenCache::TokenCache(fs::path directory, const Tokenizer& tokenizer,
                       std::string tokenizer_identity, std::uint64_t limit_bytes)
    : directory_(std::move(directory)),
      tokenizer_(tokenizer),
      tokenizer_identity_(std::move(tokenizer_identity)),
      limit_bytes_(limit_bytes) {
  std::error_code error;
  if (!directory_.empty()) fs::create_directories(directory_, error);
  if (error) {
    log_error("tokens are not kept: cannot make " + directory_.string() + ": " + error.message());
    directory_.clear();
  }
}

std::shared_ptr<const TokenizedFile> TokenCache::get(const DataFile& file, FileRole role,
                                                     int max_length,
                                                     const std::function<bool()>& stop,
                                                     const RowWish& wish) {
  std::string content;
  try {
    content = sha256_of_file(file.path);  // what the order says may be of another file by now
  } catch (const std::system_error&) {
    read_rows(file, role, wish);  // says better what is wrong
    throw;
  }
  const std::optional<DataFormat> format = data_format_of(file.name);
  if (!format) read_rows(file, role);  // says that there is none
  std::string parts = content + "\n" + tokenizer_identity_ + "\n";
  for (const int part :
       {static_cast<int>(*format), max_length, static_cast<int>(wish.kind), reading_version})
    parts += std::to_string(part) + "\n";
  for (const std::string& name : {wish.columns.text, wish.columns.text_pair, wish.columns.label})
    parts += sha256_of_bytes(name) + "\n";
  const std::string key = sha256_of_bytes(parts);
  const auto open = open_.find(key);
  if (open != open_.end()) return open->second;
  std::shared_ptr<const TokenizedFile> tokens = load(key);
  if (!tokens) {
    auto bytes = write_tokenized_file(read_data(file, role, wish), tokenizer_,
                                      static_cast<std::size_t>(max_length), key, stop);
    if (!bytes) return nullptr;
    if (store(key, *bytes)) tokens = load(key);
    if (!tokens) {
      const auto owner = std::make_shared<const std::string>(std::move(*bytes));
      tokens = std::make_shared<const TokenizedFile>(view_tokenized_file(*owner, key, owner));
    }
  }
  open_.emplace(key, tokens);
  return tokens;
}

// nullptr: not there, or no good.
std::shared_ptr<const TokenizedFile> TokenCache::load(const std::string& key) const {
  if (directory_.empty()) return nullptr;
  const fs::path path = directory_ / (key + ".tokens");
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return nullptr;
  try {
    const auto map = std::make_shared<const MappedFile>(path);
    auto file = std::make_shared<const TokenizedFile>(view_tokenized_file(map->text(), key, map));
    fs::last_write_time(path, fs::file_time_type::clock::now(), ignored);  // used
    return file;
  } catch (const MappedFileError&) {  // removed in between
  } catch (const TokenizedFileError& error) {
    log_info(path.string() + " " + error.what() + "; made anew");
    fs::remove(path, ignored);
  }
  return nullptr;
}

// False: not kept.
bool TokenCache::store(const std::string& key, const std::string& bytes) const {
  if (directory_.empty() || bytes.size() > limit_bytes_) return false;
  // A name of its own: two processes may make the same file at once.
  const fs::path mine = directory_ / (key + "." + std::to_string(::getpid()));
  try {
    write_file_atomically(mine, bytes);
    fs::rename(mine, directory_ / (key + ".tokens"));
    remove_least_recently_used();
    return true;
  } catch (const std::system_error& error) {
    log_error(std::string("tokens are not kept: ") + error.what());
    std::error_code ignored;
    fs::remove(mine, ignored);
    return false;
  }
}

// Also what processes left that were killed while they wrote.
void TokenCache::remove_least_recently_used() const {
  struct Kept {
    fs::file_time_type used;
    std::uint64_t bytes;
    fs::path path;
  };
  std::vector<Kept> all;
  std::uint64_t sum = 0;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory_, error)) {
    std::error_code gone;
    const Kept kept{entry.last_write_time(gone), entry.file_size(gone), entry.path()};
    if (gone) continue;
    all.push_back(kept);
    sum += kept.bytes;
  }
  std::sort(all.begin(), all.end(), [](const Kept& a, const Kept& b) { return a.used < b.used; });
  for (const Kept& kept : all) {
    if (sum <= limit_bytes_) return;
    fs::remove(kept.path, error);
    if (!error) sum -= kept.bytes;
  }
}

}  // namespace graft
