// Our Request and Response: what routes see of HTTP. Only the server and its sessions know the
// library behind it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace graft {

// Who asks, as the authenticator knows them.
struct Caller {
  std::int64_t id = 0;
  std::string name;
};

struct Request {
  std::string method;  // GET, POST, … ; HEAD is answered like GET without a body by the server
  std::string path;    // percent-decoded, without query
  std::vector<std::pair<std::string, std::string>> query;        // decoded, in order
  std::map<std::string, std::string, std::less<>> headers;       // names in lower case
  std::map<std::string, std::string, std::less<>> path_members;  // {name} of the route → value
  std::string body;        // complete, within the limit; empty for uploads, which stream
  std::string request_id;  // also the x-request-id of the answer
  Caller customer;         // set before a route is called

  std::optional<std::string> query_value(std::string_view name) const;
  std::optional<std::string> header(std::string_view name) const;
};

// A part of a file as the body (downloads): sent from disk, never through memory.
struct FileBody {
  std::filesystem::path path;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  std::variant<std::string, FileBody> body;
};

// A request-target taken apart. `raw_path` keeps its percent signs, so that an encoded slash stays
// inside its segment.
struct Target {
  std::string raw_path;
  std::string path;                                        // decoded
  std::vector<std::pair<std::string, std::string>> query;  // decoded, in order; `+` is a space
};
// Origin form ("/v1/files?limit=2") or absolute form. nullopt: not a target, a bad percent escape,
// a control character or text that is not UTF-8.
std::optional<Target> parse_target(std::string_view target);

// nullopt: a bad escape, a control character or text that is not UTF-8.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);
bool is_utf8(std::string_view text);

}  // namespace graft
