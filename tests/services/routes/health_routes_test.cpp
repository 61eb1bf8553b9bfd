// /readyz where something is missing: it names what, in words that anybody may read.
#include <doctest/doctest.h>

#include "tests/services/route_fixture.h"
#include "tests/support/tiny_disk.h"

using namespace graft;

TEST_CASE("a paused queue is told by /readyz with its cause and since when, without paths") {
  RouteFixture routes;
  MachineState machine;
  routes.context.machine = [&] { return machine; };
  CHECK(routes.call("GET", "/readyz").json()["checks"]["queue"] == "ok");
  machine = {true, "worker_not_started", "/srv/secret/graft-worker: exit code 127", routes.now - 42,
             5};
  const auto ready = routes.call("GET", "/readyz");
  CHECK(ready.status == 503);
  CHECK(ready.json()["ready"] == false);
  const std::string queue = ready.json()["checks"]["queue"];
  CHECK(queue.find("worker_not_started") != std::string::npos);
  CHECK(queue.find("42 s") != std::string::npos);
  CHECK(ready.body.find("/srv/secret") == std::string::npos);
  CHECK(routes.call("GET", "/healthz").status == 200);  // it answers all the same
  const std::string id = routes.add_job();              // and takes jobs
  CHECK(routes.call("GET", "/v1/fine_tuning/jobs/" + id).status == 200);
  machine.paused = false;
  CHECK(routes.call("GET", "/readyz").json()["checks"]["queue"] == "ok");
}

TEST_CASE("a disk with too little room is told by /readyz, and the rest is looked at, too") {
  RouteFixture routes;
  CHECK(routes.call("GET", "/readyz").json()["checks"]["disk"] == "ok");
  const TinyDisk disk("size=32m", routes.scratch.path() / "blobs");
  if (!disk.mounted()) return;
  const auto ready = routes.call("GET", "/readyz");
  CHECK(ready.status == 503);
  const auto checks = ready.json()["checks"];
  CHECK(std::string(checks["disk"]).starts_with("full: 3"));
  CHECK(std::string(checks["disk"]).find("64 MiB are needed") != std::string::npos);
  CHECK(checks["database"] == "ok");
  CHECK(checks["queue"] == "ok");
  CHECK(routes.call("GET", "/healthz").status == 200);
}

TEST_CASE("a data directory that cannot be written is told by /readyz") {
  RouteFixture routes;
  std::filesystem::remove_all(routes.scratch.path() / "blobs");
  const auto ready = routes.call("GET", "/readyz");
  CHECK(ready.status == 503);
  CHECK(ready.json()["checks"]["disk"] != "ok");
  CHECK(ready.body.find(routes.scratch.path().string()) == std::string::npos);
}
