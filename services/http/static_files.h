// Files that are part of the program: the page at / and openapi.json. Constant data; any thread.
#pragma once

#include <span>
#include <string_view>

#include "services/http/router.h"

namespace graft {

struct StaticFile {
  std::string_view path;  // as asked for: "/", "/assets/index-1a2b3c4d.js"
  std::string_view content_type;
  std::string_view etag;  // with its quotes
  bool unchanging;        // the name holds a hash of the bytes
  std::string_view bytes;
};

// Made at build time by cmake/embed_files.py.
std::span<const StaticFile> embedded_files();

// A GET route for each file, without a key. `files` must outlive the router.
void add_static_routes(Router& router, std::span<const StaticFile> files);

}  // namespace graft
