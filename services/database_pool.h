// Database connections for threads that come and go: a connection belongs to its holder while the
// lease lives. Opens a connection when none is free, keeps it for the next. Thread-safe.
#pragma once

#include <filesystem>
#include <mutex>
#include <vector>

#include "storage/database.h"

namespace graft {

class DatabasePool {
 public:
  explicit DatabasePool(std::filesystem::path path);

  // One connection, given back when the lease ends. Stays on the thread that checked it out.
  class Lease {
   public:
    Lease(DatabasePool& pool, Database database);
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Database& operator*() { return database_; }
    Database* operator->() { return &database_; }

   private:
    DatabasePool& pool_;
    Database database_;
  };

  // Never waits for another lease: as many connections as leases at the same time. Throws
  // StorageError.
  Lease checkout();

 private:
  void give_back(Database database);

  const std::filesystem::path path_;
  std::mutex mutex_;
  std::vector<Database> free_;
};

}  // namespace graft
