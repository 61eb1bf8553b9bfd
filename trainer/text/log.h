// The worker's log: lines on standard error through spdlog. Its own file because LibTorch's headers
// bring another version of the fmt library that spdlog is built on. Any thread may call.
#pragma once

#include <string>

namespace graft {

void log_info(const std::string& message);
void log_error(const std::string& message);

}  // namespace graft
