// Reads Beast's header into our Request and writes our Response as the bytes of a head.
#include "services/http/server_message.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/beast/http/status.hpp>
#include <ctime>

#include "trainer/durable/plain_text.h"

namespace graft {
namespace {

std::string http_date(std::time_t time) {
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[40];
  std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return text;
}

void add_field(std::string& head, std::string_view name, std::string_view value) {
  const std::size_t start = head.size();
  head.append(name).append(": ").append(value);
  const auto breaks_the_head = [](char c) { return static_cast<unsigned char>(c) < 0x20; };
  std::replace_if(head.begin() + static_cast<std::ptrdiff_t>(start), head.end(), breaks_the_head,
                  ' ');
  head.append("\r\n");
}

std::uint64_t body_length(const Response& response) {
  if (const auto* text = std::get_if<std::string>(&response.body)) return text->size();
  return std::get<FileBody>(response.body).length;
}

}  // namespace

void check_framing(const ReceivedRequest& received) {
  using boost::beast::http::field;
  const auto encodings = received.count(field::transfer_encoding);
  const auto lengths = received.count(field::content_length);
  if (lengths > 1) throw HttpError(400, "The request has more than one Content-Length field.");
  if (encodings == 0) return;
  const std::string_view encoding(received[field::transfer_encoding]);
  if (encodings > 1 || lower_case(encoding) != "chunked") {
    throw HttpError(501, "Of transfer encodings, this server knows chunked only, and only alone.");
  }
  if (lengths > 0) {
    throw HttpError(400, "The request has both a Transfer-Encoding and a Content-Length.");
  }
  if (received.version() < 11) {
    throw HttpError(400, "HTTP/1.0 has no Transfer-Encoding; send a Content-Length.");
  }
}

void fill_request(const ReceivedRequest& received, Request& request, std::string& raw_path) {
  request.method = std::string(received.method_string());
  const std::string target(received.target());
  raw_path = target.substr(0, target.find('?'));
  for (const auto& field : received) {
    std::string name = lower_case(std::string_view(field.name_string()));
    const std::string_view value(field.value());
    const auto [place, is_new] = request.headers.emplace(name, value);
    if (is_new) continue;
    if (name == "host") throw HttpError(400, "The request has more than one Host field.");
    place->second.append(", ").append(value);
  }
  if (received.version() >= 11 && !request.header("host")) {
    throw HttpError(400, "The request has no Host field.");
  }
  auto parts = parse_target(target);
  if (!parts) {
    throw HttpError(400,
                    "The path or query is not valid: percent escapes must make up UTF-8 text.");
  }
  raw_path = std::move(parts->raw_path);
  request.path = std::move(parts->path);
  request.query = std::move(parts->query);
  const auto encoding = request.header("content-encoding");
  if (encoding && lower_case(*encoding) != "identity") {
    throw HttpError(415, "Send the body without Content-Encoding.");
  }
}

const Route& find_route(const Router& router, Request& request, std::string_view raw_path) {
  Router::Match match = router.match(request.method, raw_path);
  if (match.route == nullptr && match.allowed_methods.empty()) {
    throw HttpError(404, "Nothing is at " + request.method + " " + request.path + ".", "not_found");
  }
  if (match.route == nullptr) {
    std::string allowed;
    for (const std::string& method : match.allowed_methods) {
      if (!allowed.empty()) allowed += ", ";
      allowed += method;
    }
    HttpError error(405,
                    request.method + " is not possible at " + request.path + "; " + allowed +
                        (match.allowed_methods.size() == 1 ? " is." : " are."),
                    "method_not_allowed");
    error.headers.emplace_back("allow", allowed);
    throw error;
  }
  request.path_members = std::move(match.path_members);
  return *match.route;
}

bool check_expectation(const Request& request) {
  const auto expectation = request.header("expect");
  if (!expectation) return false;
  if (lower_case(*expectation) != "100-continue") {
    throw HttpError(417, "Of expectations, this server knows 100-continue only.");
  }
  return true;
}

HttpError body_too_large(std::uint64_t limit) {
  return HttpError(413,
                   "The body is larger than the " + std::to_string(limit) + " bytes allowed here.",
                   "body_too_large");
}

HttpError missing_key() {
  HttpError error(401, "Who asks is not known: send a key, \"Authorization: Bearer KEY\".",
                  "invalid_api_key");
  error.headers.emplace_back("www-authenticate", "Bearer");
  return error;
}

HttpError too_many_bytes() {
  HttpError error(503, "Too much is being sent and answered at this moment; try again soon.");
  error.headers.emplace_back("retry-after", "1");
  return error;
}

Response error_response(const ServerOptions& options, const HttpError& error) {
  Response response;
  response.status = error.status;
  response.headers = error.headers;
  if (options.refusal_body) {
    response.body = options.refusal_body(error);
  } else {
    response.content_type = "text/plain; charset=utf-8";
    response.body = std::string(error.what()) + "\n";
  }
  return response;
}

Response unexpected_error_response(const ServerOptions& options, const std::exception& error,
                                   const std::string& request_id) {
  spdlog::error("{}: {}", request_id, error.what());
  if (options.refusal_of) {
    if (const auto refusal = options.refusal_of(error)) return error_response(options, *refusal);
  }
  return error_response(
      options, HttpError(500,
                         "Something went wrong here that is not your fault. The log of the "
                         "service has it under " +
                             request_id + "."));
}

std::string write_head(const Response& response, const std::string& request_id, bool close,
                       bool old_client) {
  const auto reason =
      boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(response.status));
  std::string head = "HTTP/1.1 " + std::to_string(response.status) + " ";
  head.append(reason.data(), reason.size()).append("\r\n");
  add_field(head, "date", http_date(std::time(nullptr)));
  const bool empty = response.status == 204 || response.status == 304;
  if (!empty && !response.content_type.empty()) {
    add_field(head, "content-type", response.content_type);
  }
  if (!empty) add_field(head, "content-length", std::to_string(body_length(response)));
  add_field(head, "x-request-id", request_id);
  if (close) {
    add_field(head, "connection", "close");
  } else if (old_client) {
    add_field(head, "connection", "keep-alive");
  }
  for (const auto& [name, value] : response.headers) add_field(head, name, value);
  return head + "\r\n";
}

FileReader::FileReader(const FileBody& file)
    : stream_(file.path, std::ios::binary), left_(file.length) {
  stream_.seekg(static_cast<std::streamoff>(file.offset));
}

void FileReader::read(std::string& piece, std::size_t limit) {
  piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(limit, left_)));
  stream_.read(piece.data(), static_cast<std::streamsize>(piece.size()));
  piece.resize(static_cast<std::size_t>(stream_.gcount()));
  left_ -= piece.size();
}

void log_short_file(const FileBody& file, const std::string& request_id) {
  spdlog::error("{}: {} ended before the {} bytes from {} that were promised", request_id,
                file.path.string(), file.length, file.offset);
}

void log_lost_session(const std::exception& error) {
  spdlog::error("a connection ended by our own fault: {}", error.what());
}

}  // namespace graft
