// What the exit codes of graft-worker say; of `train` also where records may be missing, as on a
// full disk. Torch-free: the scheduler reads them.
#pragma once

namespace graft {

inline constexpr int exit_success = 0;     // RunFinished is written; lanes may have failed
inline constexpr int exit_failure = 1;     // RunFailed says why
inline constexpr int exit_usage = 2;       // the command line is not understood; nothing was done
inline constexpr int exit_disk_full = 74;  // EX_IOERR: a lane or the run ended for want of room

}  // namespace graft
