// spdlog, out of sight of LibTorch.
#include "trainer/text/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace graft {
namespace {

spdlog::logger& standard_error() {
  static const auto logger = spdlog::stderr_logger_mt("graft-worker");
  return *logger;
}

}  // namespace

void log_info(const std::string& message) {
  standard_error().info("{}", message);
}
void log_error(const std::string& message) {
  standard_error().error("{}", message);
}

}  // namespace graft
