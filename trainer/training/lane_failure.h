// What ends one lane and leaves the others, and how it is told. No state: any thread may call.
#pragma once

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>

#include "trainer/training/run_report.h"

namespace graft {

// code() and param() as in LaneFailed.
class LaneError : public std::runtime_error {
 public:
  LaneError(std::string code, const std::string& message, std::string param = "")
      : std::runtime_error(message), code_(std::move(code)), param_(std::move(param)) {}
  const std::string& code() const { return code_; }
  const std::string& param() const { return param_; }

 private:
  std::string code_, param_;
};

// Of a step, counted from 1, whose loss or gradient is not finite.
LaneError diverged(std::int64_t step, double learning_rate);

// Runs a piece of one lane's work; what goes wrong in it ends that lane only, with its LaneFailed
// recorded: DataError, LaneError, a full disk. Returns success.
bool lane_survives(int lane, RunReport& report, const std::function<void()>& work);

}  // namespace graft
