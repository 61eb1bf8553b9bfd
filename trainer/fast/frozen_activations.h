// Hidden states that the frozen part of the network gives for rows of data files, kept so that
// they are computed once a row, whatever number of epochs, seeds and trials of a run use it.
//
// What lies below a trial's lowest adapter depends on nothing that is trained, and there is no
// dropout in it, so a kept state has the bits that computing it again would give. States lie in
// memory up to a limit, then in a mapped file without a name, which is gone with the process. Where
// neither has room, states are computed again each time: nothing else changes.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace graft {

class MappedBlock;

class FrozenActivations {
 public:
  struct Limits {
    std::size_t memory_bytes = std::size_t{128} << 20;
    std::size_t file_bytes = std::size_t{16} << 30;
    std::size_t free_disk_bytes = std::size_t{1} << 30;  // that the file leaves to others
  };

  // The states of one file's rows at one layer's input.
  class Rows {
   public:
    Rows(FrozenActivations& owner, std::shared_ptr<const void> file, std::size_t rows);
    ~Rows();

    // nullptr: not kept. Any thread; what it points to stays as long as the object.
    const std::byte* find(std::size_t row) const;

    // Keeps a row's states unless they are kept already or there is no room. Any thread.
    void keep(std::size_t row, std::span<const std::byte> states);

   private:
    friend class FrozenActivations;

    FrozenActivations& owner_;
    const std::shared_ptr<const void> file_;
    std::vector<std::atomic<const std::byte*>> states_;  // (rows); being_written: soon
    std::mutex mutex_;                                   // of what follows
    std::vector<std::unique_ptr<MappedBlock>> blocks_;
    std::size_t used_ = 0;  // bytes of the last block
  };

  // directory: where the file goes; empty: memory alone.
  FrozenActivations(std::filesystem::path directory, Limits limits);
  ~FrozenActivations();
  FrozenActivations(const FrozenActivations&) = delete;
  FrozenActivations& operator=(const FrozenActivations&) = delete;

  // The states of `file` with so many rows at the input of layer `layer`; makes room by dropping
  // those of files that no lane uses any more. One thread, while no other uses any Rows.
  Rows& rows_of(const std::shared_ptr<const void>& file, std::size_t rows, std::size_t layer);

 private:
  std::unique_ptr<MappedBlock> take_block(std::size_t least_bytes);

  const std::filesystem::path directory_;
  const Limits limits_;
  std::mutex mutex_;  // of what follows; Rows take blocks from several threads
  std::size_t memory_used_ = 0, file_used_ = 0;  // bytes in blocks
  bool file_failed_ = false;
  std::map<std::pair<const void*, std::size_t>, std::unique_ptr<Rows>> all_;  // by file, layer

  friend class MappedBlock;
};

}  // namespace graft
