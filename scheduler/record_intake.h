// Turns the records of a run into rows: each record exactly once, whatever crashes in between.
// Rows and the new offset are one transaction; what ends a job is a transaction of its own that can
// be repeated, with the offset after it. For the scheduler's thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "scheduler/record_tailer.h"
#include "scheduler/run_directory.h"
#include "storage/blob_store.h"
#include "storage/database.h"
#include "storage/records.h"

namespace graft {

class RecordIntake {
 public:
  RecordIntake(Database& database, const BlobStore& blobs) : database_(database), blobs_(blobs) {}

  // Takes in the next piece of the run's records and moves run.records_offset and run.status on.
  // False: more is there already. Throws StorageError and std::system_error; then what is not taken
  // in comes again next time.
  bool take_in(Run& run, const RunDirectory& directory, UnixTime now);

  // What the worker said of a lane's end that is not the customer's to mend; the scheduler decides
  // about it once the worker is gone.
  std::optional<JobError> failure_of(const std::string& run_id, int lane) const;

  // Forgets what it remembers of an ended run.
  void forget(const std::string& run_id);

 private:
  struct Batch;
  void take_rows(Batch& batch, std::size_t begin, std::size_t end);
  void take_decision(Batch& batch, const Record& record);
  void add_row(Batch& batch, const Record& record);
  void add_started(Batch& batch, const RunStarted& started);
  void add_data_ready(Batch& batch, const DataReady& ready);
  void add_progress(Batch& batch, const Progress& progress, double time);
  void add_epoch(Batch& batch, const EpochEnded& ended);
  void publish(Batch& batch, const LaneFinished& finished);
  void fail_lane(Batch& batch, int lane, const JobError& error);
  void add_event(Batch& batch, const RunLane& lane, EventLevel level, std::string message);

  Database& database_;
  const BlobStore& blobs_;
  // Last progress of each run's lanes: an epoch's event repeats its rate and pace.
  std::map<std::string, std::map<int, Progress>> last_progress_;
  std::map<std::string, std::map<int, JobError>> failures_;  // by run and lane
};

}  // namespace graft
