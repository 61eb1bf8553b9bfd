// Zip files through libzip.
#include "trainer/bundle/archive.h"

#include <zip.h>

#include <ctime>
#include <memory>

namespace graft {
namespace {

struct SourceFree {
  void operator()(zip_source_t* source) const { zip_source_free(source); }
};
struct ArchiveDiscard {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct FileClose {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};
using Source = std::unique_ptr<zip_source_t, SourceFree>;
using Archive = std::unique_ptr<zip_t, ArchiveDiscard>;

[[noreturn]] void fail(const std::string& what, zip_error_t* error) {
  throw ArchiveError(what + ": " + zip_error_strerror(error));
}

// 1 January 2000 in whatever time zone: zip keeps local time, so the bytes stay the same.
std::time_t fixed_time() {
  std::tm date{};
  date.tm_year = 100;
  date.tm_mday = 1;
  date.tm_isdst = -1;
  return std::mktime(&date);
}

// The archive takes one reference of the source, the caller keeps the other.
Archive open(zip_source_t* source, int flags) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_keep(source);
  Archive archive(zip_open_from_source(source, flags, &error));
  if (!archive) {
    zip_source_free(source);
    fail("not a zip file", &error);
  }
  return archive;
}

Source make_source(const void* bytes, std::size_t size) {
  zip_error_t error;
  zip_error_init(&error);
  Source source(zip_source_buffer_create(bytes, size, 0, &error));
  if (!source) fail("cannot make a zip file", &error);
  return source;
}

std::string read_source(zip_source_t* source) {
  zip_stat_t status;
  if (zip_source_stat(source, &status) != 0 || zip_source_open(source) != 0)
    fail("cannot read the zip file", zip_source_error(source));
  std::string bytes(status.size, '\0');
  const zip_int64_t count = zip_source_read(source, bytes.data(), bytes.size());
  zip_source_close(source);
  if (count != static_cast<zip_int64_t>(bytes.size())) throw ArchiveError("short zip file");
  return bytes;
}

std::string read_entry(zip_t* archive, zip_uint64_t index, const zip_stat_t& status) {
  const std::unique_ptr<zip_file_t, FileClose> file(zip_fopen_index(archive, index, 0));
  if (!file) fail(status.name, zip_get_error(archive));
  std::string bytes(status.size, '\0');
  zip_uint64_t done = 0;
  while (done < status.size) {
    const zip_int64_t count = zip_fread(file.get(), bytes.data() + done, status.size - done);
    if (count <= 0) throw ArchiveError(std::string(status.name) + " is cut short");
    done += static_cast<zip_uint64_t>(count);
  }
  char beyond = 0;  // reading to the end checks the checksum
  if (zip_fread(file.get(), &beyond, 1) != 0)
    throw ArchiveError(std::string(status.name) + " has a wrong checksum");
  return bytes;
}

}  // namespace

std::string write_archive(const ArchiveFiles& files) {
  const Source source = make_source(nullptr, 0);
  Archive archive = open(source.get(), ZIP_TRUNCATE);
  for (const auto& [name, bytes] : files) {
    zip_source_t* entry = zip_source_buffer(archive.get(), bytes.data(), bytes.size(), 0);
    const zip_int64_t index =
        entry ? zip_file_add(archive.get(), name.c_str(), entry, ZIP_FL_ENC_UTF_8) : -1;
    if (index < 0) {
      if (entry) zip_source_free(entry);
      fail(name, zip_get_error(archive.get()));
    }
    const auto place = static_cast<zip_uint64_t>(index);
    if (zip_set_file_compression(archive.get(), place, ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_mtime(archive.get(), place, fixed_time(), 0) != 0)
      fail(name, zip_get_error(archive.get()));
  }
  if (zip_close(archive.get()) != 0) fail("cannot write a zip file", zip_get_error(archive.get()));
  static_cast<void>(archive.release());  // closed
  return read_source(source.get());
}

ArchiveFiles read_archive(std::string_view bytes, std::uint64_t size_limit) {
  const Source source = make_source(bytes.data(), bytes.size());
  const Archive archive = open(source.get(), ZIP_RDONLY | ZIP_CHECKCONS);
  ArchiveFiles files;
  std::uint64_t total = 0;
  const zip_int64_t count = zip_get_num_entries(archive.get(), 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    const auto index = static_cast<zip_uint64_t>(i);
    zip_stat_t status;
    if (zip_stat_index(archive.get(), index, 0, &status) != 0)
      fail("cannot read the zip file", zip_get_error(archive.get()));
    const std::string name = status.name;
    if (name.ends_with('/')) continue;
    if (status.size > size_limit - total)
      throw ArchiveError("unpacks to more than " + std::to_string(size_limit) + " bytes");
    total += status.size;
    if (!files.emplace(name, read_entry(archive.get(), index, status)).second)
      throw ArchiveError("holds " + name + " twice");
  }
  return files;
}

}  // namespace graft
