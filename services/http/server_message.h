// Between Beast's messages and ours: what a header means, how an answer is written. No sockets, no
// waiting (FileReader blocks on disk). Private to the server; any thread.
#pragma once

#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/message.hpp>
#include <exception>
#include <fstream>
#include <string>
#include <string_view>

#include "services/http/server.h"

namespace graft {

using ReceivedRequest = boost::beast::http::request<boost::beast::http::buffer_body>;

// Where the body ends must be beyond doubt, or a proxy and we could see different requests in the
// same bytes. Throws HttpError 501 for every Transfer-Encoding but one field "chunked", 400 for one
// beside a Content-Length or from HTTP/1.0, and for a Content-Length that is repeated. After it the
// connection must close.
void check_framing(const ReceivedRequest& received);

// Takes over method, target and header fields. Throws HttpError for what HTTP or we do not allow.
void fill_request(const ReceivedRequest& received, Request& request, std::string& raw_path);

// Sets path_members. Throws HttpError 404 or 405.
const Route& find_route(const Router& router, Request& request, std::string_view raw_path);

// Whether the client waits for "100 Continue". Throws HttpError 417 for other expectations.
bool check_expectation(const Request& request);

HttpError body_too_large(std::uint64_t limit);
HttpError missing_key();
HttpError too_many_bytes();  // in memory, of all requests and answers together: 503

Response error_response(const ServerOptions& options, const HttpError& error);
// For what a handler threw that is no HttpError: logged with the request id, told without details.
Response unexpected_error_response(const ServerOptions& options, const std::exception& error,
                                   const std::string& request_id);

// Status line and fields, with the blank line. Control characters in a field become spaces.
std::string write_head(const Response& response, const std::string& request_id, bool close,
                       bool old_client);

// A piece of a file after the other.
class FileReader {
 public:
  explicit FileReader(const FileBody& file);
  bool is_open() const { return stream_.is_open(); }
  // Replaces `piece` by the next bytes, at most `limit`; empty: none are left, or the disk failed.
  void read(std::string& piece, std::size_t limit);

 private:
  std::ifstream stream_;
  std::uint64_t left_;
};

void log_short_file(const FileBody& file, const std::string& request_id);
void log_lost_session(const std::exception& error);

}  // namespace graft
