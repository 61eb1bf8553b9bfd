// The writing thread.
#include "trainer/training/checkpoint_writer.h"

#include <sys/resource.h>

#include <exception>
#include <new>
#include <system_error>
#include <utility>

#include "trainer/text/log.h"

namespace graft {
namespace {

constexpr int lower_priority = 5;  // nicer than the training thread

}  // namespace

CheckpointWriter::CheckpointWriter(RunReport& report)
    : report_(report), thread_([this](const std::stop_token& stop) { write_all(stop); }) {}

CheckpointWriter::~CheckpointWriter() {
  thread_.request_stop();
}

void CheckpointWriter::submit(TrainingState checkpoint) {
  const std::scoped_lock lock(mutex_);
  waiting_ = std::move(checkpoint);
  changed_.notify_all();
}

void CheckpointWriter::finish() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !waiting_ && !writing_; });
}

void CheckpointWriter::discard() {
  std::unique_lock lock(mutex_);
  waiting_.reset();
  changed_.wait(lock, [&] { return !writing_; });
  std::error_code ignored;
  std::filesystem::remove(checkpoint_path(report_.directory()), ignored);
}

void CheckpointWriter::write_all(const std::stop_token& stop) {
  ::setpriority(PRIO_PROCESS, 0, ::getpriority(PRIO_PROCESS, 0) + lower_priority);  // this thread's
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [&] { return waiting_.has_value(); })) {
    if (stop.stop_requested()) return;
    const TrainingState checkpoint = *std::exchange(waiting_, std::nullopt);
    writing_ = true;
    lock.unlock();
    write(checkpoint);
    lock.lock();
    writing_ = false;
    changed_.notify_all();
  }
}

void CheckpointWriter::write(const TrainingState& checkpoint) {
  try {
    write_file_atomically(checkpoint_path(report_.directory()), write_checkpoint(checkpoint));
    failing_ = false;
  } catch (const std::system_error& error) {
    log_error(error.what());
    if (!std::exchange(failing_, true)) complain(checkpoint, error.code().message());
  } catch (const std::bad_alloc&) {
    if (!std::exchange(failing_, true)) complain(checkpoint, "not enough memory");
  } catch (const std::exception& error) {
    log_error(error.what());
    if (!std::exchange(failing_, true)) complain(checkpoint, "an internal error");
  }
}

void CheckpointWriter::complain(const TrainingState& checkpoint, const std::string& what) {
  try {
    for (const LanePosition& lane : checkpoint.header.lanes)
      report_.record(Notice{lane.lane, "warn",
                            "The checkpoint of step " + std::to_string(lane.step) +
                                " could not be written (" + what +
                                "); training goes on without it."});
  } catch (const std::exception& error) {
    log_error(std::string("nor could that be reported: ") + error.what());
  }
}

}  // namespace graft
