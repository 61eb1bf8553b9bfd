// That daemons on one machine keep to different processors as far as there are enough, and that a
// killed one holds none.
#include "scheduler/processor_claim.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <memory>

#include "tests/support/scratch_directory.h"

using namespace graft;

namespace {

using Processors = std::vector<int>;

// A claim held by a process of its own.
class OtherDaemon {
 public:
  OtherDaemon(const std::filesystem::path& directory, const Processors& allowed, int count) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      const ProcessorClaim claim(directory, allowed, count);
      [[maybe_unused]] const ssize_t written = ::write(ends[1], "!", 1);
      for (;;) ::pause();
    }
    char ready = 0;
    REQUIRE(::read(ends[0], &ready, 1) == 1);
    ::close(ends[0]);
    ::close(ends[1]);
  }
  ~OtherDaemon() { kill(); }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
};

}  // namespace

TEST_CASE("the least loaded processors are chosen, the lower of equals") {
  CHECK(choose_processors({0, 1, 2, 3}, {}, 2) == Processors{0, 1});
  CHECK(choose_processors({0, 1, 2, 3}, {{0, 1}, {1, 1}}, 2) == Processors{2, 3});
  CHECK(choose_processors({0, 1, 2, 3}, {{0, 1}, {1, 1}}, 3) == Processors{0, 2, 3});
  CHECK(choose_processors({0, 1}, {{0, 2}, {1, 1}}, 1) == Processors{1});
  CHECK(choose_processors({5, 3}, {{9, 4}}, 9) == Processors{3, 5});
  CHECK(choose_processors({4}, {{4, 7}}, 0) == Processors{4});
}

TEST_CASE("each daemon takes what the others leave, and shares where all is taken") {
  const ScratchDirectory scratch;
  const auto directory = scratch / "claims";
  const Processors allowed{0, 1, 2, 3};
  const ProcessorClaim first(directory, allowed, 2);
  CHECK(first.processors() == Processors{0, 1});
  CHECK(first.others() == 0);
  CHECK(first.note().empty());
  auto second = std::make_unique<ProcessorClaim>(directory, allowed, 2);
  CHECK(second->processors() == Processors{2, 3});
  CHECK(second->others() == 1);
  const ProcessorClaim third(directory, allowed, 1);
  CHECK(third.processors() == Processors{0});
  second.reset();
  CHECK(ProcessorClaim(directory, allowed, 2).processors() == Processors{2, 3});
}

TEST_CASE("a daemon that was killed holds nothing") {
  const ScratchDirectory scratch;
  const auto directory = scratch / "claims";
  OtherDaemon other(directory, {0, 1}, 1);
  CHECK(ProcessorClaim(directory, {0, 1}, 1).processors() == Processors{1});
  other.kill();
  CHECK(ProcessorClaim(directory, {0, 1}, 1).processors() == Processors{0});
  CHECK(std::filesystem::is_empty(directory));
}

TEST_CASE("what cannot be agreed is told and holds nobody up") {
  const ScratchDirectory scratch;
  std::ofstream(scratch / "file") << "not a directory";
  const ProcessorClaim claim(scratch / "file", {0, 1}, 1);
  CHECK(claim.processors() == Processors{0});
  CHECK(claim.note().find("file") != std::string::npos);
  // A stranger's link is not followed, nonsense counts for nothing.
  std::filesystem::create_directory(scratch / "claims");
  std::filesystem::create_symlink(scratch / "file", scratch / "claims" / "link");
  std::filesystem::create_directory(scratch / "claims" / "directory");
  CHECK(ProcessorClaim(scratch / "claims", {0, 1}, 1).processors() == Processors{0});
  CHECK(std::filesystem::exists(scratch / "file"));
}
