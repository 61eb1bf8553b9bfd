// Strangers' JSON, the part every route needs: error bodies, deletions, health. Each noun has its
// own file; nlohmann/json is seen in this room's sources and json.h and nowhere else in services/.
// No state: any thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/http/router.h"

namespace graft {

// {"error": {"message", "type", "param", "code"}}; an empty code or param is null. `type` follows
// from the status. Never throws for any message: bytes that are not UTF-8 are replaced.
std::string write_error(int status, std::string_view message, std::string_view code,
                        std::string_view param);
std::string write_error(const HttpError& error);

// {"id", "object", "deleted": true}
std::string write_deleted(std::string_view id, std::string_view object);

// {"status": "ok"}
std::string write_health();

// {"ready": bool, "checks": {name: "ok" or what is wrong}}; ready where every text is "ok".
using ReadinessChecks = std::vector<std::pair<std::string, std::string>>;
std::string write_readiness(const ReadinessChecks& checks);

}  // namespace graft
