// What stands after the method: the target taken apart, the route found, ranges read. All pure.
#include "services/http/byte_range.h"
#include "services/http/message.h"
#include "services/http/router.h"
#include "tests/fuzz/fuzz_target.h"

namespace graft {
namespace {

using fuzz::hold;

const Router& router() {
  static const Router made = [] {
    Router routes;
    const Handler nothing = [](const Request&) { return Response{}; };
    routes.add("GET", "/v1/files", nothing);
    routes.add("POST", "/v1/files", nothing);
    routes.add("GET", "/v1/files/{file_id}", nothing);
    routes.add("GET", "/v1/files/content", nothing);
    routes.add("GET", "/v1/tasks/{task}/versions/{version}", nothing);
    routes.add("DELETE", "/v1/tasks/{task}/aliases/{alias}", nothing);
    return routes;
  }();
  return made;
}

void check_range(std::string_view header) {
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1000}}) {
    ByteRange range;
    if (parse_range(header, size, range) != RangeKind::partial) continue;
    hold(range.length > 0 && range.offset < size && range.length <= size - range.offset,
         "a range within the file");
  }
}

}  // namespace
}  // namespace graft

GRAFT_FUZZ_TARGET(request_target) {
  using namespace graft;
  check_range(input);
  const auto target = parse_target(input);
  if (!target) return;
  hold(is_utf8(target->path), "the path is UTF-8");
  for (const auto& [name, value] : target->query)
    hold(is_utf8(name) && is_utf8(value), "the query is UTF-8");
  for (const char* method : {"GET", "HEAD", "POST", "DELETE"}) {
    try {
      const auto match = router().match(method, target->raw_path);
      if (match.route == nullptr) continue;
      for (const auto& [name, value] : match.path_members) {
        hold(is_utf8(value), "path members are UTF-8");
        hold(!value.empty(), "path members are not empty");
      }
    } catch (const HttpError& error) {
      hold(error.status == 400, "a path that cannot be decoded is 400");
    }
  }
}
