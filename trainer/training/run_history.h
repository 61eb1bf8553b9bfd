// What the records of a run directory say of an earlier process at the same order, so that a worker
// that goes on repeats nothing. No state: any thread may call.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>

namespace graft {

struct RunHistory {
  std::set<int> finished;           // lanes whose bundle is there as it was recorded
  std::set<int> failed;             // lanes that would fail again: not those of a full disk
  std::set<int> data_ready;         // lanes whose DataReady is recorded
  std::map<int, int> epochs_ended;  // by lane: the last EpochEnded recorded

  bool concluded(int lane) const { return finished.contains(lane) || failed.contains(lane); }
};

// Counts what was recorded since a RunStarted of another order. Lines that are no records are
// stepped over. Throws MappedFileError where the file is there and cannot be read.
RunHistory read_history(const std::filesystem::path& run_directory,
                        const std::string& order_sha256);

}  // namespace graft
