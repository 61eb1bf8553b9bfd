// One directory runs/<id>/: where the files of the run contract (trainer/contract/order.h) lie,
// and the ones that the scheduler writes. Paths only; what it holds is on disk. For the scheduler's
// thread.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "trainer/contract/order.h"

namespace graft {

class RunDirectory {
 public:
  RunDirectory(const std::filesystem::path& runs_directory, std::string_view run_id);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path order() const { return path_ / "order.json"; }
  std::filesystem::path records() const { return path_ / "records.jsonl"; }
  std::filesystem::path lock() const { return path_ / "worker.lock"; }
  std::filesystem::path threads_file() const { return path_ / "threads"; }
  std::filesystem::path cancel() const { return path_ / "cancel"; }
  std::filesystem::path checkpoint() const { return path_ / "checkpoint.safetensors"; }
  // What a lane goes on from that an earlier run trained.
  std::filesystem::path lane_checkpoint(int lane) const {
    return path_ / ("lane-" + std::to_string(lane)) / "checkpoint.safetensors";
  }
  std::filesystem::path log() const { return path_ / "worker.log"; }

  // A file that a record names. nullopt where the name leads out of the directory.
  std::optional<std::filesystem::path> file(std::string_view relative) const;

  // Makes the directory and its order.json (temporary file, fsync, rename, fsync of the
  // directories). Throws StorageError; disk_full set where there is no room, and then trying again
  // is right.
  void write_order(const Order& order) const;

  // The file `threads`: how many the run may compute with from its next step on. The writing is
  // atomic and not synced: what it says dies with the workers. Throws StorageError.
  void write_threads(int threads) const;
  // What it says; nullopt: it is not there, or says nothing.
  std::optional<int> threads() const;
  // What order.json says; nullopt: there is none that can be read.
  std::optional<int> order_threads() const;

  // Makes the `cancel` file, which a worker looks for between steps. False where the disk does not
  // take it.
  bool ask_to_cancel() const;

  // The last lines of worker.log that say something, as one line of printable ASCII; empty where
  // there are none.
  std::string log_ending(std::size_t max_length = 400) const;

  // Removes the directory with all it holds; what cannot be removed now is left to the next start.
  void remove() const;

 private:
  std::filesystem::path path_;
};

// Removes every directory below `runs_directory` that is not `needed` (by its run id). Returns how
// many.
int remove_other_runs(const std::filesystem::path& runs_directory,
                      const std::function<bool(const std::string& run_id)>& needed);

}  // namespace graft
