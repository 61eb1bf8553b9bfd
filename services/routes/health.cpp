// /healthz: the process answers. /readyz: it can do its work; 503 names what is missing. Any
// thread, no key.
#include <spdlog/spdlog.h>

#include <filesystem>
#include <span>

#include "services/routes/routes.h"
#include "services/wire/answers.h"
#include "storage/database.h"

namespace graft {

namespace {

std::string database_state(const ServiceContext& context) {
  try {
    auto database = context.databases.checkout();
    check_readable(*database);
    return "ok";
  } catch (const StorageError& error) {
    // Anybody may ask: what it says of this machine is for the log.
    spdlog::error("not ready: {}", error.what());
    return "cannot be read; the service's log says why";
  }
}

// Whether the files are still where they were at start; their hash was computed then.
std::string backbones_state(const ServiceContext& context) {
  if (context.backbones.empty()) return "none is configured; start graftd with --backbone NAME=DIR";
  for (const auto& backbone : context.backbones) {
    std::error_code error;
    if (!std::filesystem::exists(backbone.directory / "config.json", error))
      return "'" + backbone.name + "': its directory cannot be read any more";
  }
  return "ok";
}

// Operators' words: those who ask here look after the service. Paths stay in the log.
std::string queue_state(const ServiceContext& context) {
  const MachineState machine = context.machine();
  if (!machine.paused) return "ok";
  return "paused (" + machine.code + ") for " + std::to_string(context.now() - machine.since) +
         " s; jobs wait, one run tries again from time to time; the log says why";
}

// Whether an upload would be kept: room, and a few bytes really written. The margin is what the
// database and the log of a day need.
std::string disk_state(const ServiceContext& context) {
  constexpr std::uintmax_t margin = std::uintmax_t{64} << 20;
  const auto directory = context.blobs.path(std::string(64, '0')).parent_path().parent_path();
  std::error_code error;
  const auto space = std::filesystem::space(directory, error);
  if (error) return "the data directory cannot be read any more";
  if (space.available < margin)
    return "full: " + std::to_string(space.available >> 20) + " MiB left, " +
           std::to_string(margin >> 20) + " MiB are needed";
  try {
    context.blobs.begin().write(std::as_bytes(std::span("ready?", 6)));
  } catch (const StorageError& failure) {
    return failure.disk_full ? "full" : "the data directory cannot be written";
  }
  return "ok";
}

Response ready(const ServiceContext& context) {
  const ReadinessChecks checks = {
      {"database", database_state(context)},
      {"disk", disk_state(context)},
      {"backbones", backbones_state(context)},
      {"queue", queue_state(context)},
      {"worker", context.predict.ready() ? "ok" : "the prediction worker does not answer (yet)"}};
  Response response = json_response(write_readiness(checks));
  for (const auto& check : checks)
    if (check.second != "ok") response.status = 503;
  return response;
}

}  // namespace

void add_health_routes(Router& router, const ServiceContext& context) {
  router
      .add(
          "GET", "/healthz", [](const Request&) { return json_response(write_health()); },
          Access::anyone)
      .runs(Lane::at_once);
  router
      .add(
          "GET", "/readyz", [&context](const Request&) { return ready(context); }, Access::anyone)
      .runs(Lane::own);
}

}  // namespace graft
