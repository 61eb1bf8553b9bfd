// What the exit code of `graft-worker train` says where records may be missing, as on a full disk.
// Torch-free: the scheduler reads it.
#pragma once

namespace graft {

inline constexpr int exit_success = 0;     // RunFinished is written; lanes may have failed
inline constexpr int exit_failure = 1;     // RunFailed says why
inline constexpr int exit_disk_full = 74;  // EX_IOERR: a lane or the run ended for want of room

}  // namespace graft
