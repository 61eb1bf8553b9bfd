// Tokenized files on disk, so that a file is tokenized once for all runs: DIR/<key>.tokens, where
// the key is the hash of the file's bytes, its format, the columns and the kind that are asked for,
// the tokenizer's files, max_length and the version of this program's reading. A file is complete
// or not there; one that is torn or damaged is made anew. Least recently used files go where the
// directory grows beyond its limit.
//
// Several processes may share a directory. One object is for one thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "trainer/text/tokenized_file.h"

namespace graft {

// Hash of the files that decide a backbone's tokenizer.
std::string tokenizer_identity(const std::filesystem::path& backbone_directory);

class TokenCache {
 public:
  // directory empty: nothing is kept on disk; made where it is missing.
  TokenCache(std::filesystem::path directory, const Tokenizer& tokenizer,
             std::string tokenizer_identity, std::uint64_t limit_bytes = default_limit);

  // The file's tokens: those of an earlier call, from disk, or tokenized now. Trouble with the disk
  // is logged and costs only the keeping. nullptr: stop() said so. Throws DataError.
  std::shared_ptr<const TokenizedFile> get(const DataFile& file, FileRole role, int max_length,
                                           const std::function<bool()>& stop,
                                           const RowWish& wish = {});

  static constexpr std::uint64_t default_limit = std::uint64_t{1} << 30;  // bytes

 private:
  std::shared_ptr<const TokenizedFile> load(const std::string& key) const;
  bool store(const std::string& key, const std::string& bytes) const;
  void remove_least_recently_used() const;

  std::filesystem::path directory_;
  const Tokenizer& tokenizer_;
  std::string tokenizer_identity_;
  std::uint64_t limit_bytes_;
  std::map<std::string, std::shared_ptr<const TokenizedFile>> open_;  // by key
};

}  // namespace graft
