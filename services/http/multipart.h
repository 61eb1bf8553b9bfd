// Reads multipart/form-data (RFC 7578) as it arrives, in pieces of any size, and hands on each
// part's bytes without keeping them. Needs memory for one part's header and a boundary. One thread
// at a time.
#pragma once

#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace graft {

// What the client sent is not multipart/form-data, or goes beyond a limit; the text is for the
// client.
class MultipartError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct PartHeader {
  std::string name;
  std::optional<std::string> filename;  // of a file part; UTF-8, without control characters
  std::string content_type;             // empty: none was said
};

// Called in order: on_part, any number of on_data, on_end; then the next part. What they throw
// passes through feed.
struct MultipartEvents {
  std::function<void(const PartHeader& part)> on_part;
  std::function<void(std::string_view bytes)> on_data;
  std::function<void()> on_end;
};

// The boundary of a Content-Type; nullopt where it is not multipart/form-data with a boundary.
std::optional<std::string> multipart_boundary(std::string_view content_type);

class MultipartParser {
 public:
  static constexpr std::size_t header_limit =
      8 * 1024;  // bytes of a part's header, also of the preamble
  static constexpr int part_limit = 64;

  MultipartParser(std::string_view boundary, MultipartEvents events);

  void feed(std::string_view bytes);  // throws MultipartError
  void finish();  // no more bytes: throws MultipartError where the last boundary is missing

 private:
  enum class State { preamble, after_boundary, header, data, epilogue };

  bool step();
  bool skip_preamble();
  bool read_boundary_end();
  bool read_header();
  bool pass_data();
  void take(std::size_t bytes);

  const std::string delimiter_;  // CRLF, two dashes, boundary
  const MultipartEvents events_;
  State state_ = State::preamble;
  std::string pending_;       // received, not yet understood
  std::size_t consumed_ = 0;  // of pending_
  int parts_ = 0;
};

}  // namespace graft
