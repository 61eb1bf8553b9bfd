// Writes checkpoints on a thread of its own, so that training does not wait for the disk. At most
// one waits while another is written; a newer one takes its place.
//
// submit(), finish() and discard() are for the training thread.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "trainer/durable/atomic_file.h"
#include "trainer/training/checkpoint.h"
#include "trainer/training/run_report.h"

namespace graft {

class CheckpointWriter {
 public:
  // Writes into the report's directory. What cannot be written, as on a full disk, is a Notice in
  // the lanes' records, once until writing works again.
  explicit CheckpointWriter(RunReport& report);
  ~CheckpointWriter();  // finishes the one being written, drops the one waiting
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  void submit(TrainingState checkpoint);

  // Waits until all that was submitted is written.
  void finish();

  // Drops what waits, and removes the file: the run is over.
  void discard();

 private:
  void write_all(const std::stop_token& stop);
  void write(const TrainingState& checkpoint);
  // what: for customers, no paths.
  void complain(const TrainingState& checkpoint, const std::string& what);

  RunReport& report_;
  bool failing_ = false;  // of the writing thread

  std::mutex mutex_;  // of waiting_ and writing_
  std::condition_variable_any changed_;
  std::optional<TrainingState> waiting_;
  bool writing_ = false;
  std::jthread thread_;  // last: it uses all the others
};

}  // namespace graft
