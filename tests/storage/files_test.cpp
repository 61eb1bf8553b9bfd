// Files as rows: listing, expiry, deletion. Their bytes are in blob_store_test.
#include "storage/files.h"

#include <doctest/doctest.h>

#include "tests/storage/scratch.h"
#include "trainer/durable/identifiers.h"

using namespace graft;

namespace {

std::vector<std::string> ids(const Page<File>& page) {
  std::vector<std::string> found;
  for (const File& file : page.items) {
    found.push_back(file.id);
  }
  return found;
}

}  // namespace

TEST_CASE("files are listed in either order, by purpose, and page by page while uploads arrive") {
  ScratchDatabase database;
  const CustomerId acme = ensure_customer(database, "acme", noon).id;
  std::vector<std::string> made;
  for (int i = 0; i < 5; ++i) {
    made.push_back(a_file(database, acme, "rows " + std::to_string(i)).id);
  }
  const File results =
      insert_file(database, {acme, blob_of("csv"), "r.csv", "fine-tune-results", {}}, noon);
  using Ids = std::vector<std::string>;
  const auto newest = list_files(database, acme, {.purpose = "fine-tune", .limit = 2}, noon);
  CHECK(ids(newest) == Ids{made[4], made[3]});
  CHECK(newest.has_more);
  a_file(database, acme, "late");
  CHECK(ids(list_files(database, acme, {.purpose = "fine-tune", .after = made[3], .limit = 2},
                       noon)) == Ids{made[2], made[1]});
  const auto oldest = list_files(database, acme, {.after = made[3], .ascending = true}, noon);
  REQUIRE(oldest.items.size() == 3);
  CHECK(oldest.items[0].id == made[4]);
  CHECK(oldest.items[1].id == results.id);
  CHECK_FALSE(oldest.has_more);
  CHECK(ids(list_files(database, acme, {.purpose = "vision"}, noon)).empty());
  CHECK(ids(list_files(database, acme, {.after = "file-nobody"}, noon)).empty());
}

TEST_CASE("a deleted file is not found, and as a cursor it still marks its place") {
  ScratchDatabase database;
  const CustomerId acme = ensure_customer(database, "acme", noon).id;
  const File first = a_file(database, acme);
  const File second = a_file(database, acme);
  const File third = a_file(database, acme);
  CHECK(delete_file(database, acme, second.id, noon));
  CHECK_FALSE(delete_file(database, acme, second.id, noon));
  CHECK_FALSE(find_file(database, acme, second.id, noon).has_value());
  CHECK(find_file_of_any_customer(database, second.id)->sha256 == second.sha256);
  using Ids = std::vector<std::string>;
  CHECK(ids(list_files(database, acme, {}, noon)) == Ids{third.id, first.id});
  CHECK(ids(list_files(database, acme, {.after = second.id}, noon)) == Ids{first.id});
}

TEST_CASE("a file expires at its second and not before") {
  ScratchDatabase database;
  const CustomerId acme = ensure_customer(database, "acme", noon).id;
  const File file =
      insert_file(database, {acme, blob_of("rows"), "f.csv", "fine-tune", noon + 3600}, noon);
  CHECK(file.expires_at == noon + 3600);
  CHECK(find_file(database, acme, file.id, noon + 3599).has_value());
  CHECK_FALSE(find_file(database, acme, file.id, noon + 3600).has_value());
  CHECK(list_files(database, acme, {}, noon + 3600).items.empty());
  CHECK_FALSE(delete_file(database, acme, file.id, noon + 3600));
  CHECK(is_blob_referenced(database, file.sha256, noon + 3599));
  CHECK_FALSE(is_blob_referenced(database, file.sha256, noon + 3600));
}

TEST_CASE("two files of the same bytes share a blob until both are gone") {
  ScratchDatabase database;
  const CustomerId acme = ensure_customer(database, "acme", noon).id;
  const CustomerId other = ensure_customer(database, "other", noon).id;
  const File mine = a_file(database, acme, "same");
  const File theirs = a_file(database, other, "same");
  CHECK(mine.id != theirs.id);
  delete_file(database, acme, mine.id, noon);
  CHECK(is_blob_referenced(database, mine.sha256, noon));
  delete_file(database, other, theirs.id, noon);
  CHECK_FALSE(is_blob_referenced(database, mine.sha256, noon));
}

TEST_CASE("hashes are what everybody else computes") {
  CHECK(sha256_of_bytes("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_of_bytes("abc") ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  // RFC 4231, test case 2.
  CHECK(hmac_sha256_hex("Jefe", "what do ya want for nothing?") ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(equal_in_constant_time("abc", "abc"));
  CHECK_FALSE(equal_in_constant_time("abc", "abd"));
  CHECK_FALSE(equal_in_constant_time("abc", "ab"));
  ScratchDirectory directory;
  CHECK_THROWS_AS(sha256_of_file(directory / "nothing"), std::system_error);
  CHECK_THROWS_AS(sha256_of_file(directory.path()), std::system_error);
}

TEST_CASE("identifiers have their prefix, their length and only plain characters, and differ") {
  const std::string one = new_identifier("file-");
  CHECK(one.size() == 29);
  CHECK(one.substr(0, 5) == "file-");
  CHECK(one != new_identifier("file-"));
  const std::string many = new_identifier("", 100'000);
  int counts[256] = {};
  for (const char c : many) {
    CHECK_MESSAGE(std::isalnum(static_cast<unsigned char>(c)), c);
    ++counts[static_cast<unsigned char>(c)];
  }
  // 1,613 of each are to be expected; six standard deviations are 240.
  for (const char c : {'a', 'h', 'i', 'z', 'A', 'Z', '0', '9'}) {
    CHECK(counts[static_cast<unsigned char>(c)] > 1373);
    CHECK(counts[static_cast<unsigned char>(c)] < 1853);
  }
  const std::string hex = new_hex_identifier("t_", 16);
  CHECK(hex.size() == 18);
  CHECK(hex.find_first_not_of("0123456789abcdef", 2) == std::string::npos);
}
