// POST /v1/files: a multipart form whose file part goes to the blob store as it arrives, its fields
// before or after. One upload is used by one thread at a time.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "services/http/multipart.h"
#include "services/http/router.h"
#include "services/service_context.h"

namespace graft {

inline constexpr std::uint64_t most_file_bytes = std::uint64_t{512} << 20;

class FileUpload : public BodySink {
 public:
  // HttpError 400 where the request is no form.
  FileUpload(const ServiceContext& context, const Request& request);

  void write(std::span<const std::byte> bytes) override;
  Response finish() override;

 private:
  void begin_part(const PartHeader& part);
  void take(std::string_view bytes);
  void end_part();
  void set_field(const std::string& name, const std::string& value);

  const ServiceContext& context_;
  const CustomerId customer_;
  MultipartParser parser_;
  std::string part_;  // name of the part being read
  std::set<std::string> fields_seen_;
  std::string value_;  // of the field being read
  std::optional<BlobWriter> writer_;
  std::string filename_;
  std::optional<std::string> purpose_, anchor_;
  std::optional<std::int64_t> expiry_seconds_;
};

// What remains of a client's file name: the last part of a path of either kind.
std::string base_name(std::string_view filename);

}  // namespace graft
