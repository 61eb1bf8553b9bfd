// Free connections wait in a vector; at most as many as handlers ever ran at the same time.
#include "services/database_pool.h"

#include <optional>

namespace graft {

DatabasePool::DatabasePool(std::filesystem::path path) : path_(std::move(path)) {}

DatabasePool::Lease::Lease(DatabasePool& pool, Database database)
    : pool_(pool), database_(std::move(database)) {}

DatabasePool::Lease::~Lease() {
  pool_.give_back(std::move(database_));
}

DatabasePool::Lease DatabasePool::checkout() {
  {
    const std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      Database database = std::move(free_.back());
      free_.pop_back();
      return Lease(*this, std::move(database));
    }
  }
  return Lease(*this, Database::open(path_));
}

void DatabasePool::give_back(Database database) {
  const std::lock_guard lock(mutex_);
  free_.push_back(std::move(database));
}

}  // namespace graft
