// Blobs: complete or absent, named by their bytes.
#include "storage/blob_store.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <fstream>
#include <set>

#include "tests/storage/scratch.h"
#include "tests/support/tiny_disk.h"

using namespace graft;
namespace fs = std::filesystem;

namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

int count_files(const fs::path& directory) {
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    files += entry.is_regular_file() ? 1 : 0;
  }
  return files;
}

}  // namespace

TEST_CASE("a blob is found under the hash of its bytes in a two-level fan-out") {
  ScratchDirectory directory;
  const BlobStore blobs(directory / "blobs");
  const Blob blob = blobs.put("hello");
  CHECK(blob.sha256 == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
  CHECK(blob.bytes == 5);
  CHECK(blobs.path(blob.sha256) == directory / "blobs" / "2c" / blob.sha256);
  CHECK(content(blobs.path(blob.sha256)) == "hello");
  CHECK(blobs.exists(blob.sha256));
  CHECK(blobs.verify(blob.sha256));
  CHECK(count_files(directory / "blobs" / "tmp") == 0);
  struct stat status {};
  REQUIRE(::stat(blobs.path(blob.sha256).c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0400);
  CHECK(blobs.put("hello").sha256 == blob.sha256);
  CHECK(blobs.put("").bytes == 0);
  CHECK(blobs.verify(sha256_of_bytes("")));
}

TEST_CASE("a blob written in pieces is absent until it is finished, and gone where it never is") {
  ScratchDirectory directory;
  const BlobStore blobs(directory / "blobs");
  const std::string large(3'000'000, 'x');
  {
    BlobWriter writer = blobs.begin();
    writer.write(bytes_of("ab"));
    writer.write(bytes_of(large));
    CHECK(writer.bytes() == 3'000'002);
    CHECK_FALSE(blobs.exists(sha256_of_bytes("ab" + large)));
    BlobWriter moved = std::move(writer);
    CHECK(moved.finish().sha256 == sha256_of_bytes("ab" + large));
  }
  CHECK(blobs.verify(sha256_of_bytes("ab" + large)));
  {
    BlobWriter abandoned = blobs.begin();
    abandoned.write(bytes_of("half"));
    CHECK(count_files(directory / "blobs" / "tmp") == 1);
    abandoned = blobs.begin();
    CHECK(count_files(directory / "blobs" / "tmp") == 1);
  }
  CHECK(count_files(directory / "blobs") == 1);
}

TEST_CASE("one flipped bit in a blob is noticed, and so is a missing or shortened one") {
  ScratchDirectory directory;
  const BlobStore blobs(directory / "blobs");
  const Blob blob = blobs.put("the adapter's weights");
  const fs::path file = blobs.path(blob.sha256);
  fs::permissions(file, fs::perms::owner_all);
  write_file(file, "the adapter's weighus");
  CHECK_FALSE(blobs.verify(blob.sha256));
  CHECK(blobs.exists(blob.sha256));
  write_file(file, "the adapter's weight");
  CHECK_FALSE(blobs.verify(blob.sha256));
  SUBCASE("storing it again repairs it") {
    blobs.put("the adapter's weights");
    CHECK(blobs.verify(blob.sha256));
  }
  SUBCASE("removing it makes it missing, once and again") {
    blobs.remove(blob.sha256);
    blobs.remove(blob.sha256);
    CHECK_FALSE(blobs.exists(blob.sha256));
    CHECK_FALSE(blobs.verify(blob.sha256));
  }
}

TEST_CASE("a worker's file is moved in where its bytes are what was promised") {
  ScratchDirectory directory;
  const BlobStore blobs(directory / "blobs");
  write_file(directory / "result.zip", "bundle");
  CHECK_THROWS_AS(blobs.adopt(directory / "result.zip", sha256_of_bytes("other")), StorageError);
  CHECK(fs::exists(directory / "result.zip"));
  CHECK(count_files(directory / "blobs") == 0);
  const Blob blob = blobs.adopt(directory / "result.zip", sha256_of_bytes("bundle"));
  CHECK(blob.bytes == 6);
  CHECK(blobs.verify(blob.sha256));
  CHECK_FALSE(fs::exists(directory / "result.zip"));
  CHECK_THROWS_AS(blobs.adopt(directory / "result.zip", sha256_of_bytes("bundle")), StorageError);

  // The same bytes under a second name: a rename between them does nothing, and the name goes all
  // the same.
  fs::create_hard_link(blobs.path(blob.sha256), directory / "second");
  blobs.adopt(directory / "second", blob.sha256);
  CHECK_FALSE(fs::exists(directory / "second"));
  CHECK(blobs.verify(blob.sha256));
}

TEST_CASE("a worker's file on another file system is copied in") {
  ScratchDirectory directory;
  const TinyDisk other("size=1m");
  if (!other.mounted()) {
    return;
  }
  const BlobStore blobs(directory / "blobs");
  const std::string bundle(300'000, 'b');
  write_file(other / "result.zip", bundle);
  CHECK(blobs.adopt(other / "result.zip", sha256_of_bytes(bundle)).bytes == 300'000);
  CHECK(blobs.verify(sha256_of_bytes(bundle)));
  CHECK_FALSE(fs::exists(other / "result.zip"));
  CHECK(count_files(directory / "blobs" / "tmp") == 0);
}

TEST_CASE("a name that is not a hash never becomes a path") {
  ScratchDirectory directory;
  const BlobStore blobs(directory / "blobs");
  for (const char* name : {"", "../../etc/passwd", "ABCD", "zz"}) {
    CHECK_THROWS_AS(blobs.path(name), StorageError);
    CHECK_THROWS_AS(blobs.exists(name), StorageError);
  }
  CHECK_THROWS_AS(blobs.path(std::string(62, 'a') + "/."), StorageError);
}

TEST_CASE("the sweep takes temporary files and blobs that nothing needs, and nothing else") {
  ScratchDirectory directory;
  const BlobStore blobs(directory / "blobs");
  const Blob kept = blobs.put("kept");
  const Blob orphan = blobs.put("orphan");
  write_file(directory / "blobs" / "tmp" / "aBcDeF", "half an upload");
  write_file(directory / "blobs" / "2c", "a stray file");
  write_file(blobs.path(kept.sha256).parent_path() / "notes.txt", "somebody's");
  std::set<std::string> asked;
  const int removed = blobs.sweep([&](const std::string& sha256) {
    asked.insert(sha256);
    return sha256 == kept.sha256;
  });
  CHECK(removed == 2);
  CHECK(asked == std::set<std::string>{kept.sha256, orphan.sha256});
  CHECK(blobs.verify(kept.sha256));
  CHECK_FALSE(blobs.exists(orphan.sha256));
  CHECK(fs::exists(blobs.path(kept.sha256).parent_path() / "notes.txt"));
}

TEST_CASE("the sweep asks the database: files, unfinished jobs and versions keep their bytes") {
  ScratchDatabase database;
  const BlobStore blobs(database.directory / "blobs");
  const Customer acme = ensure_customer(database, "acme", noon);
  const auto upload = [&](const std::string& text, std::optional<UnixTime> expires = {}) {
    return insert_file(database, {acme.id, blobs.put(text), "f.jsonl", "fine-tune", expires}, noon);
  };
  const File live = upload("live");
  const File deleted = upload("deleted");
  const File expired = upload("expired", noon + 10);
  const File training = upload("training");
  const File validation = upload("validation");
  NewJob wanted = a_new_job(acme.id, training);
  wanted.validation_file = validation.id;
  const Job job = create_job(database, wanted, noon);
  for (const File& file : {deleted, training, validation}) {
    CHECK(delete_file(database, acme.id, file.id, noon));
  }
  const auto sweep = [&](UnixTime now) {
    return blobs.sweep(
        [&](const std::string& sha256) { return is_blob_referenced(database, sha256, now); });
  };
  CHECK(sweep(noon + 9) == 1);
  CHECK_FALSE(blobs.exists(deleted.sha256));
  CHECK(sweep(noon + 10) == 1);
  CHECK_FALSE(blobs.exists(expired.sha256));

  enqueue_job(database, job.id, noon);
  CHECK(sweep(noon + 10) == 0);
  blobs.put("bundle of " + job.id);
  blobs.put("step,train_loss\n");
  publish_next(database);
  CHECK(sweep(noon + 10) == 2);
  CHECK_FALSE(blobs.exists(training.sha256));
  CHECK_FALSE(blobs.exists(validation.sha256));
  CHECK(blobs.exists(sha256_of_bytes("bundle of " + job.id)));
  CHECK(blobs.exists(sha256_of_bytes("step,train_loss\n")));
  CHECK(blobs.exists(live.sha256));
}

TEST_CASE("a full disk is told apart, leaves no half blob, and writing goes on with room") {
  const TinyDisk disk("size=256k");
  if (!disk.mounted()) {
    return;
  }
  const BlobStore blobs(disk / "blobs");
  const Blob small = blobs.put("small");
  bool disk_full = false;
  try {
    blobs.put(std::string(400'000, 'x'));
  } catch (const StorageError& error) {
    disk_full = error.disk_full;
    CHECK(std::string(error.what()).find("the disk is full") != std::string::npos);
  }
  CHECK(disk_full);
  CHECK(count_files(disk / "blobs") == 1);
  CHECK(blobs.verify(small.sha256));
  CHECK(blobs.verify(blobs.put(std::string(100'000, 'y')).sha256));
}

TEST_CASE("a full disk stops a transaction of the database whole, and it works again with room") {
  const TinyDisk disk("size=1m");
  if (!disk.mounted()) {
    return;
  }
  Database database = Database::open(disk / "graft.db");
  const Customer acme = ensure_customer(database, "acme", noon);
  const File file = a_file(database, acme.id);
  write_file(disk / "ballast", std::string(100'000, 'b'));
  NewJob wanted = a_new_job(acme.id, file);
  wanted.metadata = {{"k", std::string(500, 'v')}};
  int made = 0;
  bool disk_full = false;
  while (!disk_full && made < 10'000) {
    try {
      create_job(database, wanted, noon);
      ++made;
    } catch (const StorageError& error) {
      REQUIRE(error.disk_full);
      disk_full = true;
    }
  }
  REQUIRE(disk_full);
  const auto jobs = list_jobs(database, acme.id, {.limit = 10'000}).items;
  CHECK(static_cast<int>(jobs.size()) == made);
  for (const Job& job : jobs) {
    CHECK(list_trials(database, job.id).size() == 1);
  }
  fs::remove(disk / "ballast");
  CHECK(create_job(database, wanted, noon).metadata == wanted.metadata);
}
