#include "services/wire/answers.h"

#include <algorithm>

#include "services/wire/json.h"

namespace graft {

namespace {

std::string_view error_type(int status) {
  if (status >= 500) return "server_error";
  if (status == 401) return "authentication_error";
  if (status == 403) return "permission_error";
  if (status == 429) return "rate_limit_error";
  return "invalid_request_error";
}

Json text_or_null(std::string_view text) {
  return text.empty() ? Json(nullptr) : Json(std::string(text));
}

}  // namespace

std::string write_error(int status, std::string_view message, std::string_view code,
                        std::string_view param) {
  return dump({{"error",
                {{"message", std::string(message)},
                 {"type", std::string(error_type(status))},
                 {"param", text_or_null(param)},
                 {"code", text_or_null(code)}}}});
}

std::string write_error(const HttpError& error) {
  return write_error(error.status, error.what(), error.code, error.param);
}

std::string write_deleted(std::string_view id, std::string_view object) {
  return dump({{"id", std::string(id)}, {"object", std::string(object)}, {"deleted", true}});
}

std::string write_health() {
  return dump({{"status", "ok"}});
}

std::string write_readiness(const ReadinessChecks& checks) {
  Json members = Json::object();
  for (const auto& [name, state] : checks) members[name] = state;
  const bool ready = std::all_of(checks.begin(), checks.end(),
                                 [](const auto& check) { return check.second == "ok"; });
  return dump({{"ready", ready}, {"checks", members}});
}

}  // namespace graft
