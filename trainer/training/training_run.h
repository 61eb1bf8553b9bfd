// A whole training run: lanes join as their data is read, train, are evaluated and saved.
//
// What stops one lane (bad data, divergence, a full disk) is reported for that lane and leaves the
// others; what stops the run is thrown. The calling thread trains, with as many others as the file
// `threads` of the run directory says.
#pragma once

#include <functional>

#include "trainer/contract/order.h"
#include "trainer/training/run_report.h"

namespace graft {

struct RunOptions {
  double checkpoint_seconds =
      30;  // at most, between checkpoints; one follows every validation, too
};

// Trains every lane of the order and writes its records, checkpoints and bundles. Where the run
// directory has a checkpoint of this order, goes on from it; results are the same bytes as without
// the break. stop() is asked before each step and while data is read; a checkpoint is then left.
// Throws BackboneError, TokenizerError, PrecisionError, std::bad_alloc, std::system_error.
void run_training(const Order& order, RunReport& report, const std::function<bool()>& stop,
                  const RunOptions& options = {});

}  // namespace graft
