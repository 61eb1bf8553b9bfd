// Uploaded files and result files: rows over blobs. Every query names its customer.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "storage/blob_store.h"
#include "storage/database.h"
#include "storage/records.h"

namespace graft {

struct NewFile {
  CustomerId customer = 0;
  Blob blob;
  std::string filename;
  std::string purpose;
  std::optional<UnixTime> expires_at;
};
File insert_file(Database& database, const NewFile& file, UnixTime now);
// Expired and deleted files are not found.
std::optional<File> find_file(Database& database, CustomerId customer, std::string_view id,
                              UnixTime now);
// For the scheduler: deleted and expired ones too, whose bytes an unfinished job still has.
std::optional<File> find_file_of_any_customer(Database& database, std::string_view id);

struct FileQuery {
  std::optional<std::string> purpose;
  std::optional<std::string>
      after;  // id of the last item of the page before; unknown id: empty page
  int limit = 10000;
  bool ascending = false;
};
Page<File> list_files(Database& database, CustomerId customer, const FileQuery& query,
                      UnixTime now);

// Hides the row. False: not found. The blob goes when nothing else needs it (see
// is_blob_referenced).
bool delete_file(Database& database, CustomerId customer, std::string_view id, UnixTime now);

// Whether a live file, an unfinished job or an adapter version needs these bytes.
bool is_blob_referenced(Database& database, std::string_view sha256, UnixTime now);

}  // namespace graft
