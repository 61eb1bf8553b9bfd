// The program's version, for records and bundles of both programs.
#pragma once

namespace graft {

inline constexpr char program_version[] = GRAFT_VERSION;

}  // namespace graft
