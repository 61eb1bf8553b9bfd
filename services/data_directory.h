// The data directory while a daemon works on it: made where it is missing, and ours alone by a
// lock.
#pragma once

#include <filesystem>

#include "trainer/durable/descriptor.h"

namespace graft {

class DataDirectory {
 public:
  // Throws std::runtime_error where another graftd holds it or it cannot be made.
  explicit DataDirectory(std::filesystem::path path);
  ~DataDirectory();
  // Readable by its owner alone where it is new: what customers upload is theirs. Throws
  // std::runtime_error.
  static void make(const std::filesystem::path& path);
  DataDirectory(const DataDirectory&) = delete;
  DataDirectory& operator=(const DataDirectory&) = delete;

  // Throws std::runtime_error where blobs lie beside no database: a new one would know none of
  // them, and what no row names is swept away.
  void refuse_lost_database() const;

  static std::filesystem::path database_in(const std::filesystem::path& path) {
    return path / "graft.db";
  }
  std::filesystem::path database() const { return database_in(path_); }
  std::filesystem::path blobs() const { return path_ / "blobs"; }
  // Room that is kept for deletions on a full disk.
  std::filesystem::path reserve() const { return path_ / "reserve"; }
  std::filesystem::path runs() const { return path_ / "runs"; }
  // What workers keep for one another and can make again.
  std::filesystem::path cache() const { return path_ / "cache"; }
  // Elsewhere where the directory's name is long: a Unix socket has room for 107 bytes of path.
  const std::filesystem::path& predict_socket() const { return predict_socket_; }
  std::filesystem::path serve_log() const { return path_ / "serve.log"; }
  // Where the check of a backbone speaks while it goes on.
  std::filesystem::path check_log() const { return path_ / "check.log"; }

 private:
  const std::filesystem::path path_;
  std::filesystem::path predict_socket_, socket_directory_;
  Descriptor lock_;
};

}  // namespace graft
