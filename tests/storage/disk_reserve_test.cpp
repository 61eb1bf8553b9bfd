// Deletions on a full disk.
#include "storage/disk_reserve.h"

#include <doctest/doctest.h>

#include <fstream>

#include "tests/storage/scratch.h"
#include "tests/support/tiny_disk.h"

using namespace graft;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t mebibyte = 1 << 20;

// Writes until there is no room for a byte more.
void fill(const fs::path& ballast) {
  std::ofstream file(ballast, std::ios::binary | std::ios::app);
  for (const std::size_t piece : {std::size_t{64} << 10, std::size_t{1}}) {
    while (
        file.write(std::string(piece, 'b').data(), static_cast<std::streamsize>(piece)).flush()) {
    }
    file.clear();
  }
}

bool is_full(const std::function<void()>& work) {
  try {
    work();
  } catch (const StorageError& error) {
    REQUIRE(error.disk_full);
    return true;
  }
  return false;
}

}  // namespace

TEST_CASE("files are deleted on a full disk, on which nothing else is written") {
  const TinyDisk disk("size=8m");
  if (!disk.mounted()) return;
  DiskReserve reserve(disk / "reserve", 2 * mebibyte);
  CHECK(reserve.restore());
  Database database = Database::open(disk / "graft.db");
  const Customer acme = ensure_customer(database, "acme", noon);
  std::vector<File> files;
  for (int i = 0; i < 40; ++i) files.push_back(a_file(database, acme.id));
  fill(disk / "ballast");
  REQUIRE(is_full([&] { a_file(database, acme.id); }));
  REQUIRE(is_full([&] { delete_file(database, acme.id, files[0].id, noon); }));
  CHECK(fs::file_size(disk / "reserve") == 2 * mebibyte);
  int deleted = 0;
  for (const File& file : files) {
    CHECK(reserve.spend_on([&] { return delete_file(database, acme.id, file.id, noon); }));
    if (++deleted < 4) fill(disk / "ballast");  // somebody takes what is left of a piece
  }
  CHECK(list_files(database, acme.id, {}, noon).items.empty());
}

TEST_CASE("the reserve ends, and is made again when there is room for it and as much beside") {
  const TinyDisk disk("size=8m");
  if (!disk.mounted()) return;
  DiskReserve reserve(disk / "reserve", mebibyte);
  fill(disk / "ballast");
  int tries = 0;
  const auto never = [&] {
    ++tries;
    throw StorageError("the disk is full", true);
  };
  CHECK(is_full([&] { reserve.spend_on(never); }));
  CHECK(tries == 1 + 4);  // once as it is and once for each piece
  CHECK(fs::file_size(disk / "reserve") == 0);
  CHECK_FALSE(reserve.restore());  // there is room for the reserve alone
  fs::resize_file(disk / "ballast", 2 * mebibyte);
  CHECK(reserve.restore());
  CHECK(fs::file_size(disk / "reserve") == mebibyte);
}

TEST_CASE(
    "a reserve is there from its first day, and for the next daemon as the last one left it") {
  const TinyDisk disk("size=8m");
  if (!disk.mounted()) return;
  { const DiskReserve first(disk / "reserve", mebibyte); }
  fill(disk / "ballast");
  DiskReserve next(disk / "reserve", mebibyte);
  CHECK(next.restore());
  fs::resize_file(disk / "reserve", 0);
  fs::resize_file(disk / "reserve", mebibyte);  // as a copy may have it: a length without blocks
  fill(disk / "ballast");
  CHECK_FALSE(DiskReserve(disk / "reserve", mebibyte).restore());
}

TEST_CASE("what fails for another reason takes nothing from the reserve") {
  ScratchDirectory directory;
  DiskReserve reserve(directory / "reserve", mebibyte);
  CHECK_THROWS_AS(reserve.spend_on([] { throw StorageError("locked", false); }), StorageError);
  CHECK(fs::file_size(directory / "reserve") == mebibyte);
}
