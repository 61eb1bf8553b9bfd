// A mapped file is the file's bytes; what cannot be mapped is told by path and reason.
#include "trainer/text/mapped_file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <fstream>
#include <string>
#include <utility>

#include "tests/support/scratch_directory.h"

namespace graft {
namespace {

std::string error_of(const std::filesystem::path& path) {
  try {
    MappedFile file(path);
  } catch (const MappedFileError& error) {
    return error.what();
  }
  return "no error";
}

TEST_CASE("a mapped file shows the bytes of the file") {
  const ScratchDirectory directory;
  const std::string text("a\0b\n", 4);
  std::ofstream(directory / "file", std::ios::binary) << text;
  MappedFile file(directory / "file");
  file.expect_sequential_reading();
  CHECK(file.text() == text);
  CHECK(file.bytes().size() == 4);
  CHECK(file.bytes()[1] == std::byte{0});
}

TEST_CASE("a moved mapping keeps its address, the old one is empty") {
  const ScratchDirectory directory;
  std::ofstream(directory / "one") << "one";
  std::ofstream(directory / "two") << "two";
  MappedFile one(directory / "one");
  const std::byte* address = one.bytes().data();
  MappedFile moved(std::move(one));
  CHECK(moved.bytes().data() == address);
  MappedFile two(directory / "two");
  two = std::move(moved);
  CHECK(two.text() == "one");
}

TEST_CASE("an empty file maps to nothing") {
  const ScratchDirectory directory;
  std::ofstream(directory / "empty").close();
  const MappedFile file(directory / "empty");
  CHECK(file.size() == 0);
  CHECK(file.text().empty());
}

TEST_CASE("what is no readable file is refused with path and reason") {
  const ScratchDirectory directory;
  const std::string missing = (directory / "missing").string();
  CHECK(error_of(missing) == "cannot read " + missing + ": No such file or directory");
  CHECK(error_of(directory.path()) ==
        "cannot read " + directory.path().string() + ": not a regular file");
  const std::string pipe = (directory / "pipe").string();
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(error_of(pipe) == "cannot read " + pipe + ": not a regular file");
}

}  // namespace
}  // namespace graft
