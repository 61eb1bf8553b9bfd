// The route table: a scan over a few dozen patterns, which is quicker than it sounds and easy to
// follow.
#include "services/http/router.h"

#include <algorithm>
#include <cassert>
#include <optional>
#include <set>

namespace graft {
namespace {

constexpr std::uint64_t keyless_limit = 4096;  // bytes of a body

std::vector<std::string_view> split_path(std::string_view path) {
  std::vector<std::string_view> segments;
  if (path.starts_with('/')) path.remove_prefix(1);
  for (;;) {
    const std::size_t slash = path.find('/');
    segments.push_back(path.substr(0, slash));
    if (slash == path.npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

bool is_member(std::string_view segment) {
  return segment.starts_with('{');
}

bool serves(const Route& route, std::string_view method) {
  return route.method == method || (route.method == "GET" && method == "HEAD");
}

bool fits(const std::vector<std::string_view>& pattern, const std::vector<std::string>& path) {
  if (pattern.size() != path.size()) return false;
  for (std::size_t i = 0; i < path.size(); ++i) {
    // An empty segment is nobody's name.
    if (is_member(pattern[i]) ? path[i].empty() : pattern[i] != path[i]) return false;
  }
  return true;
}

// Whether `left` is exact at the first segment where only one of the two is.
bool more_exact(const std::vector<std::string_view>& left,
                const std::vector<std::string_view>& right) {
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (is_member(left[i]) != is_member(right[i])) return !is_member(left[i]);
  }
  return false;
}

// `name` is a known one, or a member of a known one's brackets.
bool knows(const std::vector<std::string>& known, const std::string& name) {
  const std::size_t bracket = name.find('[');
  const bool inner = bracket != name.npos && name.ends_with(']');
  const std::string shown = inner ? name.substr(0, bracket) + "[]" : name;
  return std::find(known.begin(), known.end(), shown) != known.end();
}

}  // namespace

Responder::State::~State() {
  give(std::make_exception_ptr(std::logic_error("a handler let go of a request unanswered")), {});
}

void Responder::State::give(std::exception_ptr error, Response response) {
  if (given.exchange(true)) return;
  const Deliver way = std::move(deliver);  // let go of at once, not with the last copy
  way(std::move(error), std::move(response));
}

void check_query(const Route& route, const Request& request) {
  if (!route.query) return;
  std::set<std::string_view> seen;
  for (const auto& [name, value] : request.query) {
    if (!seen.insert(name).second)
      throw HttpError(400, "The query parameter '" + name + "' is given twice; send it once.",
                      "invalid_value", name);
    if (knows(*route.query, name)) continue;
    std::string known;
    for (const std::string& one : *route.query) known += (known.empty() ? "" : ", ") + one;
    throw HttpError(400,
                    "Unknown query parameter '" + name + "': " + route.method + " " +
                        route.pattern + " takes " + (known.empty() ? "none" : known) + ".",
                    "unknown_parameter", name);
  }
}

Route& Router::add(std::string method, std::string pattern, Handler handler, Access access,
                   std::uint64_t body_limit) {
  assert(pattern.starts_with('/') && handler);
  Route route;
  route.method = std::move(method);
  route.pattern = std::move(pattern);
  route.access = access;
  route.handler = std::move(handler);
  // Nobody without a key fills the memory.
  route.body_limit = access == Access::anyone ? std::min(body_limit, keyless_limit) : body_limit;
  return routes_.emplace_back(std::move(route));
}

Route& Router::add_deferred(std::string method, std::string pattern, DeferredHandler handler,
                            std::uint64_t body_limit) {
  assert(pattern.starts_with('/') && handler);
  Route route;
  route.method = std::move(method);
  route.pattern = std::move(pattern);
  route.deferred = std::move(handler);
  route.body_limit = body_limit;
  return routes_.emplace_back(std::move(route));
}

Route& Router::add_upload(std::string method, std::string pattern, UploadHandler handler,
                          std::uint64_t body_limit) {
  assert(pattern.starts_with('/') && handler);
  Route route;
  route.method = std::move(method);
  route.pattern = std::move(pattern);
  route.upload = std::move(handler);
  route.body_limit = body_limit;
  return routes_.emplace_back(std::move(route));
}

Router::Match Router::match(std::string_view method, std::string_view path) const {
  std::vector<std::string> segments;
  for (const std::string_view segment : split_path(path)) {
    auto decoded = percent_decode(segment);
    if (!decoded) throw HttpError(400, "The path holds a percent escape that is not valid UTF-8.");
    segments.push_back(std::move(*decoded));
  }
  Match match;
  std::vector<std::string_view> best;
  for (const Route& route : routes_) {
    auto pattern = split_path(route.pattern);
    if (!fits(pattern, segments)) continue;
    if (!serves(route, method)) {
      match.allowed_methods.push_back(route.method);
      if (route.method == "GET") match.allowed_methods.push_back("HEAD");
    } else if (match.route == nullptr || more_exact(pattern, best)) {
      match.route = &route;
      best = std::move(pattern);
    }
  }
  if (match.route == nullptr) {
    std::sort(match.allowed_methods.begin(), match.allowed_methods.end());
    const auto end = std::unique(match.allowed_methods.begin(), match.allowed_methods.end());
    match.allowed_methods.erase(end, match.allowed_methods.end());
    return match;
  }
  match.allowed_methods.clear();
  for (std::size_t i = 0; i < best.size(); ++i) {
    if (!is_member(best[i])) continue;
    const std::string_view name = best[i].substr(1, best[i].size() - 2);
    match.path_members.emplace(name, std::move(segments[i]));
  }
  return match;
}

}  // namespace graft
