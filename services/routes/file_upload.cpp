#include "services/routes/file_upload.h"

#include <algorithm>
#include <array>

#include "services/routes/routes.h"
#include "services/wire/files.h"
#include "services/wire/names.h"
#include "storage/files.h"
#include "trainer/contract/row_shape.h"
#include "trainer/durable/plain_text.h"

namespace graft {

namespace {

constexpr std::size_t longest_field = 1024;
constexpr std::size_t longest_filename = 255;
constexpr std::int64_t least_expiry = 3600, most_expiry = 2592000;
constexpr std::array<std::string_view, 6> purposes = {"fine-tune", "assistants", "batch",
                                                      "vision",    "user_data",  "evals"};

[[noreturn]] void refuse(const std::string& param, const std::string& message,
                         const std::string& code = "invalid_value") {
  throw HttpError(400, param + ": " + message, code, param);
}

std::string boundary_of(const Request& request) {
  auto boundary = multipart_boundary(request.header("content-type").value_or(""));
  if (!boundary)
    throw HttpError(400,
                    "Send the file as a form: Content-Type multipart/form-data with the parts "
                    "'purpose' and 'file'.",
                    "invalid_content_type");
  return std::move(*boundary);
}

std::string listed_purposes() {
  std::string text;
  for (const auto purpose : purposes) text += (text.empty() ? "" : ", ") + std::string(purpose);
  return text;
}

}  // namespace

std::string base_name(std::string_view filename) {
  const auto separator = filename.find_last_of("/\\");
  if (separator != filename.npos) filename.remove_prefix(separator + 1);
  return filename == "." || filename == ".." ? "" : std::string(filename);
}

FileUpload::FileUpload(const ServiceContext& context, const Request& request)
    : context_(context),
      customer_(request.customer.id),
      parser_(boundary_of(request),
              {[this](const PartHeader& part) { begin_part(part); },
               [this](std::string_view bytes) { take(bytes); }, [this] { end_part(); }}) {}

void FileUpload::write(std::span<const std::byte> bytes) {
  try {
    parser_.feed({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  } catch (const MultipartError& error) {
    throw HttpError(400, error.what(), "invalid_form");
  }
}

void FileUpload::begin_part(const PartHeader& part) {
  part_ = part.name;
  value_.clear();
  if (part_ != "file") {
    if (!fields_seen_.insert(part_).second) refuse(part_, "is given twice; send each field once.");
    return;
  }
  if (writer_) refuse("file", "is given twice; upload one file at a time.");
  filename_ = base_name(part.filename.value_or(""));
  if (filename_.empty()) refuse("file", "has no file name.", "missing_required_parameter");
  if (const auto unseen = invisible_character(filename_))
    refuse("file", "has a name that holds " + *unseen +
                       ", a control, invisible or direction-changing character; rename it.");
  if (filename_.size() > longest_filename) refuse("file", "has a name of more than 255 bytes.");
  // Where room for deletions was given up, a file would take it.
  if (!context_.reserve.restore()) throw disk_full();
  writer_ = context_.blobs.begin();
}

void FileUpload::take(std::string_view bytes) {
  if (part_ == "file") {
    if (static_cast<std::uint64_t>(writer_->bytes()) + bytes.size() > most_file_bytes)
      throw HttpError(413, "file: is larger than 512 MiB; split it.", "file_too_large", "file");
    writer_->write(std::as_bytes(std::span(bytes)));
    return;
  }
  if (value_.size() + bytes.size() > longest_field) refuse(part_, "is longer than 1024 bytes.");
  value_ += bytes;
}

void FileUpload::end_part() {
  if (part_ != "file") set_field(part_, value_);
}

void FileUpload::set_field(const std::string& name, const std::string& value) {
  if (name == "purpose") {
    if (std::find(purposes.begin(), purposes.end(), value) == purposes.end())
      refuse(name, "'" + value + "' is not known; use one of: " + listed_purposes() + ".");
    purpose_ = value;
  } else if (name == "expires_after[anchor]") {
    if (value != "created_at") refuse(name, "must be 'created_at'.");
    anchor_ = value;
  } else if (name == "expires_after[seconds]") {
    const auto seconds = whole_number(value);
    if (!seconds || *seconds < least_expiry || *seconds > most_expiry)
      refuse(name, "must be an integer from 3600 to 2592000.");
    expiry_seconds_ = seconds;
  } else {
    refuse(name,
           "is not a known field; there are file, purpose, expires_after[anchor] and "
           "expires_after[seconds].",
           "unknown_parameter");
  }
}

Response FileUpload::finish() {
  try {
    parser_.finish();
  } catch (const MultipartError& error) {
    throw HttpError(400, error.what(), "invalid_form");
  }
  if (!writer_) refuse("file", "is required.", "missing_required_parameter");
  if (!purpose_)
    refuse("purpose", "is required; for training data it is 'fine-tune'.",
           "missing_required_parameter");
  if (anchor_.has_value() != expiry_seconds_.has_value())
    refuse("expires_after", "needs both, anchor and seconds.");
  if (writer_->bytes() == 0) refuse("file", "'" + filename_ + "' is empty.");
  if (*purpose_ == "fine-tune" && !data_format_of(filename_))
    refuse("file", "'" + filename_ + "' must end in .jsonl, .csv or .tsv to be training data.");

  NewFile file;
  file.customer = customer_;
  file.filename = filename_;
  file.purpose = *purpose_;
  const UnixTime now = context_.now();
  if (expiry_seconds_) file.expires_at = now + *expiry_seconds_;
  auto database = context_.databases.checkout();
  file.blob = writer_->finish();  // young, so no sweep takes it before it has its row
  return json_response(write_file(insert_file(*database, file, now)));
}

}  // namespace graft
