// Answers with a stored file: ETag of its hash, If-None-Match, one Range, If-Range (RFC 9110). No
// state: any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "services/http/message.h"

namespace graft {

struct StoredFile {
  std::filesystem::path path;
  std::uint64_t bytes = 0;
  std::string sha256;  // of the bytes; the ETag
};

// 200 with all of it, 206 with a part, 304 where the client has it, 416 for a range beyond the end.
Response file_response(const Request& request, const StoredFile& file);

// Whether If-None-Match lists this ETag, which is given with its quotes. Weak comparison, as that
// field wants: "W/" does not count.
bool client_has(const Request& request, std::string_view etag);

struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};
enum class RangeKind { none, partial, unsatisfiable };
// "bytes=a-b", "bytes=a-" or "bytes=-n" within `size` bytes. none: absent, another unit, several
// ranges or not well-formed, which a server answers with the whole.
RangeKind parse_range(std::string_view header, std::uint64_t size, ByteRange& range);

}  // namespace graft
