// What the worker program says of a backbone, and what it says of itself, told apart.
#include "scheduler/backbone_check.h"

#include <doctest/doctest.h>

#include <fstream>

#include "tests/support/scratch_directory.h"

using namespace graft;

namespace {

using Outcome = BackboneCheck::Outcome;

BackboneCheck check_with(const std::string& script,
                         std::chrono::milliseconds limit = std::chrono::seconds(30)) {
  const ScratchDirectory scratch;
  std::ofstream(scratch / "worker") << "#!/bin/sh\n" << script << "\n";
  std::filesystem::permissions(scratch / "worker", std::filesystem::perms::owner_all);
  const auto result = check_backbone(scratch / "worker", "/srv/minilm", scratch / "words", limit);
  CHECK_FALSE(std::filesystem::exists(scratch / "words"));
  return result;
}

}  // namespace

TEST_CASE("a backbone is sound, or refused in the worker's last words") {
  CHECK(check_with("[ \"$1 $2\" = 'check /srv/minilm' ]").outcome == Outcome::sound);
  const auto refused = check_with("echo warning >&2; echo 'weights hold NaN' >&2; exit 1");
  CHECK(refused.outcome == Outcome::refused);
  CHECK(refused.reason == "weights hold NaN");
}

TEST_CASE("a worker that cannot answer says nothing of the backbone") {
  const auto loader = check_with("echo 'cannot open shared object' >&2; exit 127");
  CHECK(loader.outcome == Outcome::not_checked);
  CHECK(loader.reason == "ended with status 127: cannot open shared object");
  const auto crash = check_with("kill -ILL $$");
  CHECK(crash.outcome == Outcome::not_checked);
  CHECK(crash.reason == "ended by signal 4");
  CHECK(check_with("exit 1").outcome == Outcome::not_checked);
  const auto stuck = check_with("exec tail -f /dev/null", std::chrono::milliseconds(100));
  CHECK(stuck.outcome == Outcome::not_checked);
  CHECK(stuck.reason.find("did not end") == 0);
  const ScratchDirectory scratch;
  const auto missing = check_backbone(scratch / "none", "/srv/minilm", scratch / "words");
  CHECK(missing.outcome == Outcome::not_checked);
  CHECK(missing.reason.find("cannot run") == 0);
}
