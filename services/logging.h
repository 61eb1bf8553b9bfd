// The daemon's log on stderr: lines for people, or a JSON object a line for machines. Set up once,
// before threads.
#pragma once

#include "services/config.h"
#include "services/http/server.h"

namespace graft {

void set_up_logging(LogFormat format, LogLevel level = LogLevel::info);

// What a request is worth: `warn` where the service failed (5xx), `info` where it took long,
// otherwise `debug`.
LogLevel access_level(const AccessRecord& record);

// One line for each answer: method, path without query, status, bytes, ms, request id, customer.
void log_access(const AccessRecord& record, LogFormat format);

// The text as a JSON string, quotes included; what is not UTF-8 is replaced.
std::string json_quoted(std::string_view text);

}  // namespace graft
