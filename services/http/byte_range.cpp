#include "services/http/byte_range.h"

#include <algorithm>

#include "trainer/durable/plain_text.h"

namespace graft {

bool client_has(const Request& request, std::string_view etag) {
  const auto known = request.header("if-none-match");
  if (!known) return false;
  std::string_view list = *known;
  if (trimmed(list) == "*") return true;
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    auto candidate = trimmed(list.substr(0, comma));
    if (candidate.starts_with("W/")) candidate.remove_prefix(2);
    if (candidate == etag) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

RangeKind parse_range(std::string_view header, std::uint64_t size, ByteRange& range) {
  constexpr std::string_view unit = "bytes=";
  if (!header.starts_with(unit)) return RangeKind::none;
  const auto spec = trimmed(header.substr(unit.size()));
  const auto dash = spec.find('-');
  if (dash == spec.npos) return RangeKind::none;
  const auto first_text = trimmed(spec.substr(0, dash)), last_text = trimmed(spec.substr(dash + 1));
  if (first_text.empty()) {  // the last n bytes
    const auto count = whole_number<std::uint64_t>(last_text);
    if (!count) return RangeKind::none;
    if (*count == 0 || size == 0) return RangeKind::unsatisfiable;
    range.length = std::min(*count, size);
    range.offset = size - range.length;
    return RangeKind::partial;
  }
  const auto first = whole_number<std::uint64_t>(first_text);
  const auto last =
      last_text.empty() ? std::optional(UINT64_MAX) : whole_number<std::uint64_t>(last_text);
  if (!first || !last || *last < *first) return RangeKind::none;
  if (*first >= size) return RangeKind::unsatisfiable;
  range.offset = *first;
  range.length = std::min(*last, size - 1) - *first + 1;
  return RangeKind::partial;
}

Response file_response(const Request& request, const StoredFile& file) {
  const std::string etag = "\"" + file.sha256 + "\"";
  Response response;
  response.content_type = "application/octet-stream";
  response.headers.emplace_back("etag", etag);
  response.headers.emplace_back("accept-ranges", "bytes");
  if (client_has(request, etag)) {
    response.status = 304;
    response.body = std::string();
    return response;
  }
  response.body = FileBody{file.path, 0, file.bytes};
  const auto wanted = request.header("range");
  // A date in If-Range never equals our ETag: then the whole is sent, which is always right.
  const auto condition = request.header("if-range");
  if (!wanted || request.method != "GET" || (condition && *condition != etag)) return response;

  ByteRange range;
  const std::string size = std::to_string(file.bytes);
  switch (parse_range(*wanted, file.bytes, range)) {
    case RangeKind::none:
      break;
    case RangeKind::unsatisfiable:
      response.status = 416;
      response.body = std::string();
      response.headers.emplace_back("content-range", "bytes */" + size);
      break;
    case RangeKind::partial:
      response.status = 206;
      response.body = FileBody{file.path, range.offset, range.length};
      response.headers.emplace_back(
          "content-range", "bytes " + std::to_string(range.offset) + "-" +
                               std::to_string(range.offset + range.length - 1) + "/" + size);
      break;
  }
  return response;
}

}  // namespace graft
