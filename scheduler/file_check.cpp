// Checks of uploaded files; see the header.
#include "scheduler/file_check.h"

#include <filesystem>
#include <string>
#include <system_error>

#include "storage/files.h"

namespace graft {
namespace {

std::optional<JobError> check_file(Database& database, const BlobStore& blobs,
                                   const std::string& id, const std::string& param) {
  const auto refused = [&](const std::string& what) {
    return JobError{"invalid_" + param,
                    "The file " + id + " (" + param + ") " + what +
                        " Upload it again and create the job with its new id.",
                    param};
  };
  const std::optional<File> file = find_file_of_any_customer(database, id);
  if (!file || !blobs.exists(file->sha256)) return refused("is no longer here.");
  if (file->bytes == 0) return refused("is empty.");
  std::error_code error;
  const auto bytes = std::filesystem::file_size(blobs.path(file->sha256), error);
  const bool right_size = !error && static_cast<std::int64_t>(bytes) == file->bytes;
  if (!right_size || (file->bytes <= largest_file_to_hash && !blobs.verify(file->sha256))) {
    return refused("was damaged on our disk: its bytes are not those that were uploaded.");
  }
  return std::nullopt;
}

}  // namespace

std::optional<JobError> check_files(Database& database, const BlobStore& blobs, const Job& job) {
  std::optional<JobError> error = check_file(database, blobs, job.training_file, "training_file");
  if (!error && job.validation_file) {
    error = check_file(database, blobs, *job.validation_file, "validation_file");
  }
  return error;
}

}  // namespace graft
