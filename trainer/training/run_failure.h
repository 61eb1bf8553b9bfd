// What ended a run, in the words of its last record. No state: any thread may call.
#pragma once

#include <exception>

#include "trainer/contract/record.h"

namespace graft {

// Codes: those of BackboneError, invalid_backbone, precision_unavailable, invalid_order,
// out_of_memory, disk_full, else worker_error. `failure` holds an exception.
RunFailed describe_failure(std::exception_ptr failure);

}  // namespace graft
