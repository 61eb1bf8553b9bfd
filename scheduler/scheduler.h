// The scheduler: turns queued jobs into runs and runs' records into rows. `tick` does all that is
// due at `now` and returns; it never waits. One thread calls it; the database connection is that
// thread's own.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "scheduler/launcher.h"
#include "storage/blob_store.h"
#include "storage/database.h"
#include "trainer/contract/order.h"

namespace graft {

// Where a backbone's files are and who it is; nullopt: not configured.
struct BackboneLocation {
  std::filesystem::path directory;
  std::string sha256;
};
using FindBackbone = std::function<std::optional<BackboneLocation>(const std::string& name)>;

struct SchedulerOptions {
  std::filesystem::path runs_directory;
  std::filesystem::path cache_directory;  // of the workers; empty: they keep nothing
  // Threads of all runs together; each has at least one, and equal shares as runs come and go.
  int cores = 2;
  int workers = 1;         // runs at the same time, at most
  int worker_threads = 2;  // threads of each, at most
  std::string device = "auto";
  Precision precision = Precision::automatic;
  int jobs_per_run = 1;        // queued jobs on one backbone that share a worker, at most
  int max_failures = 3;        // ends by a trial's own fault before it fails
  int stop_grace_seconds = 5;  // between asking a worker to stop and ending it
  int sweep_seconds = 60;      // between two looks for bytes that nothing needs
  int row_seconds = 600;       // a blob is written before its row: so long it is left alone
  int silence_seconds = 1800;  // a worker that reports nothing for so long hangs and is ended
  // With less room on the disk no worker is launched, and a worker's death is put down to the disk.
  std::int64_t free_bytes_to_launch = std::int64_t{64} << 20;
  std::string program_version;
};

// Two clocks: wall time for rows and people, monotonic for every duration. In seconds.
struct Moment {
  std::int64_t wall = 0;
  std::int64_t monotonic = 0;  // from any start; stands still while the machine sleeps
};

// Whether the machine can train at all. While it cannot, queued jobs wait.
struct MachineState {
  bool paused = false;
  std::string code;        // worker_not_started, disk_full, backbone_missing …
  std::string reason;      // for the operator
  std::int64_t since = 0;  // wall time
  std::int64_t pause = 0;  // seconds until the next look
};

class Scheduler {
 public:
  Scheduler(Database& database, const BlobStore& blobs, Launcher& launcher,
            FindBackbone find_backbone, SchedulerOptions options);
  ~Scheduler();

  // Once, before the first tick: sweeps blobs without a row and run directories that nothing needs;
  // runs of an earlier daemon stay active and are re-adopted by tick.
  void recover(Moment now);

  // Takes in records, notices ended workers, stops runs of cancelled jobs, checks new jobs' files,
  // claims and launches; now and then frees the bytes that nothing needs any more.
  void tick(Moment now);

  MachineState machine() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace graft
