// The data directory's lock and names, and the log's JSON.
#include "services/data_directory.h"

#include <doctest/doctest.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "services/logging.h"

using namespace graft;

namespace {

class ScratchDirectory {
 public:
  explicit ScratchDirectory(const std::string& name)
      : path(std::filesystem::temp_directory_path() /
             ("graft_data_" + std::to_string(::getpid()) + "_" + name)) {}
  ~ScratchDirectory() { std::filesystem::remove_all(path); }
  const std::filesystem::path path;
};

}  // namespace

TEST_CASE("a data directory has one daemon, and the next one when that is gone") {
  const ScratchDirectory scratch("lock");
  {
    const DataDirectory first(scratch.path);
    const std::string expected =
        "the data directory " + scratch.path.string() + " is in use by another graftd (process " +
        std::to_string(::getpid()) + "); stop that one or choose another --data-dir";
    CHECK_THROWS_WITH(DataDirectory(scratch.path), expected.c_str());
  }
  CHECK_NOTHROW(DataDirectory(scratch.path));
}

TEST_CASE("a new data directory is its owner's alone, an existing one keeps its permissions") {
  const ScratchDirectory scratch("permissions");
  using std::filesystem::perms;
  { const DataDirectory made(scratch.path); }
  CHECK(std::filesystem::status(scratch.path).permissions() == perms::owner_all);
  const perms wider = perms::owner_all | perms::group_read | perms::group_exec;
  std::filesystem::permissions(scratch.path, wider);
  { const DataDirectory again(scratch.path); }
  CHECK(std::filesystem::status(scratch.path).permissions() == wider);
}

TEST_CASE("files of customers beside no database are not swept away by a new one") {
  const ScratchDirectory scratch("lost");
  const DataDirectory data(scratch.path);
  CHECK_NOTHROW(data.refuse_lost_database());
  std::filesystem::create_directories(data.blobs() / "tmp");
  std::ofstream(data.blobs() / "tmp" / "half") << "written";
  CHECK_NOTHROW(data.refuse_lost_database());
  std::filesystem::create_directories(data.blobs() / "ab");
  std::ofstream(data.blobs() / "ab" / "abcd") << "kept";
  CHECK_THROWS_WITH_AS(data.refuse_lost_database(), doctest::Contains("restore the database"),
                       std::runtime_error);
  std::ofstream(data.database()) << "";
  CHECK_NOTHROW(data.refuse_lost_database());
}

TEST_CASE("the worker's socket fits into an address, however long the directory's name") {
  const ScratchDirectory scratch("socket");
  const DataDirectory near(scratch.path);
  CHECK(near.predict_socket() == scratch.path / "serve.sock");
  std::filesystem::path elsewhere;
  {
    const DataDirectory far(scratch.path / std::string(120, 'x'));
    CHECK(far.predict_socket().string().size() < sizeof(sockaddr_un::sun_path));
    elsewhere = far.predict_socket().parent_path();
    CHECK(std::filesystem::is_directory(elsewhere));
  }
  CHECK_FALSE(std::filesystem::exists(elsewhere));
}

TEST_CASE("a directory that cannot be made is named") {
  CHECK_THROWS_WITH(DataDirectory("/proc/graft"),
                    "cannot make the directory /proc/graft: No such file or directory");
}

TEST_CASE("requests are told at debug, slow ones at info, failures of the service at warn") {
  const auto level = [](int status, double milliseconds) {
    AccessRecord record;
    record.status = status;
    record.milliseconds = milliseconds;
    return access_level(record);
  };
  CHECK(level(200, 5) == LogLevel::debug);
  CHECK(level(404, 5) == LogLevel::debug);
  CHECK(level(200, 1500) == LogLevel::info);
  CHECK(level(500, 5) == LogLevel::warn);
  CHECK(level(507, 5000) == LogLevel::warn);
  CHECK(level(501, 5) == LogLevel::debug);  // strange requests
  CHECK(level(505, 5) == LogLevel::debug);
}

TEST_CASE("log messages become JSON strings, whatever a client put into them") {
  CHECK(json_quoted("plain é") == "\"plain é\"");
  CHECK(json_quoted("a\"b\\c\n\x01") == R"("a\"b\\c\u000a\u0001")");
  CHECK(json_quoted("cut \xE2\x82") == "\"cut ??\"");
}
