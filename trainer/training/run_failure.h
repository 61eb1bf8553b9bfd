// What ended a run, in the words of its last record. No state: any thread may call.
#pragma once

#include <exception>
#include <system_error>

#include "trainer/contract/record.h"

namespace graft {

bool is_disk_full(const std::error_code& code);  // no room, or the quota is used up

// Codes: those of BackboneError, invalid_backbone, precision_unavailable, invalid_order,
// out_of_memory, disk_full, else worker_error. `failure` holds an exception.
RunFailed describe_failure(std::exception_ptr failure);

}  // namespace graft
