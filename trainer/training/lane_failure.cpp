// Exceptions to LaneFailed records.
#include "trainer/training/lane_failure.h"

#include <system_error>

#include "trainer/durable/descriptor.h"
#include "trainer/text/dataset.h"

namespace graft {

LaneError diverged(std::int64_t step, double learning_rate) {
  return {"diverged",
          "training diverged at step " + std::to_string(step) +
              ": the loss is no longer a number; a lower learning_rate than " +
              std::to_string(learning_rate) + " helps",
          "learning_rate"};
}

bool lane_survives(int lane, RunReport& report, const std::function<void()>& work) {
  try {
    work();
    return true;
  } catch (const DataError& error) {
    report.record(LaneFailed{lane, error.code(), error.what(), error.param()});
  } catch (const LaneError& error) {
    report.record(LaneFailed{lane, error.code(), error.what(), error.param()});
  } catch (const std::system_error& error) {
    if (!is_full_disk(error.code())) throw;
    report.record(LaneFailed{lane, "disk_full", error.what(), ""});
  }
  return false;
}

}  // namespace graft
