// /readyz where something is missing: it names what, in words that anybody may read.
#include <doctest/doctest.h>
#include <sys/mount.h>

#include "tests/services/route_fixture.h"

using namespace graft;

namespace {

// A file system of 32 MiB over a directory, where this process may mount one.
class SmallDisk {
 public:
  explicit SmallDisk(const std::filesystem::path& directory)
      : directory_(directory),
        mounted(::mount("tmpfs", directory.c_str(), "tmpfs", 0, "size=32m") == 0) {}
  ~SmallDisk() {
    if (mounted) ::umount2(directory_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

 private:
  std::filesystem::path directory_;

 public:
  const bool mounted;
};

}  // namespace

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
  const SmallDisk disk(routes.scratch.path() / "blobs");
  if (!disk.mounted) {
    MESSAGE("mounting a small tmpfs needs root and the right to mount");
    return;
  }
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
