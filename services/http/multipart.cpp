// A state machine over what is pending: each step understands one thing or asks for more bytes.
#include "services/http/multipart.h"

#include <algorithm>
#include <vector>

#include "services/http/message.h"
#include "trainer/durable/plain_text.h"

namespace graft {
namespace {

struct Parameter {
  std::string name, value;
};

// "form-data; name="a"; filename="b\"c"": a first word and parameters, names in lower case.
struct FieldValue {
  std::string word;
  std::vector<Parameter> parameters;

  const std::string* find(std::string_view name) const {
    for (const Parameter& parameter : parameters) {
      if (parameter.name == name) return &parameter.value;
    }
    return nullptr;
  }
};

// Reads a quoted string from its opening quote on; `text` is left behind the closing one. Only \"
// and \\ are escapes, for some clients send the backslashes of a Windows path as they are.
std::string take_quoted(std::string_view& text) {
  std::string value;
  std::size_t i = 1;
  for (; i < text.size() && text[i] != '"'; ++i) {
    const bool escape =
        text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\\');
    if (escape) ++i;
    value.push_back(text[i]);
  }
  if (i >= text.size()) throw MultipartError("A quoted value in a part's header does not end.");
  text.remove_prefix(i + 1);
  return value;
}

FieldValue parse_field_value(std::string_view text) {
  FieldValue field;
  const std::size_t semicolon = std::min(text.find(';'), text.size());
  field.word = lower_case(trimmed(text.substr(0, semicolon)));
  text.remove_prefix(semicolon);
  while (!text.empty()) {
    text.remove_prefix(1);  // the semicolon
    const std::size_t end = std::min(text.find_first_of("=;"), text.size());
    const std::string name = lower_case(trimmed(text.substr(0, end)));
    text.remove_prefix(end);
    std::string value;
    if (text.starts_with('=')) {
      text.remove_prefix(1);
      text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
      if (text.starts_with('"')) value = take_quoted(text);
      const std::size_t rest = std::min(text.find(';'), text.size());
      if (value.empty()) value = std::string(trimmed(text.substr(0, rest)));
      text.remove_prefix(rest);
    }
    if (!name.empty()) field.parameters.push_back({name, std::move(value)});
  }
  return field;
}

// Browsers and HTTP libraries write a quote in a name as %22.
std::string restore_quotes(std::string text) {
  for (std::size_t at = text.find("%22"); at != text.npos; at = text.find("%22", at + 1)) {
    text.replace(at, 3, "\"");
  }
  return text;
}

// filename*=UTF-8''na%C3%AFve.txt, which RFC 7578 forbids and some clients send.
std::optional<std::string> parse_extended(const std::string& value) {
  const std::size_t first = value.find('\'');
  if (first == value.npos || lower_case(value.substr(0, first)) != "utf-8") return std::nullopt;
  const std::size_t second = value.find('\'', first + 1);
  if (second == value.npos) return std::nullopt;
  return percent_decode(std::string_view(value).substr(second + 1));
}

void check_text(const std::string& text, std::string_view what) {
  const bool control = std::any_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
  if (control || !is_utf8(text)) {
    throw MultipartError("The " + std::string(what) + " of a part is not UTF-8 text.");
  }
}

void take_disposition(std::string_view value, PartHeader& part) {
  const FieldValue field = parse_field_value(value);
  const std::string* name = field.find("name");
  if (field.word != "form-data" || name == nullptr) {
    throw MultipartError("A part's Content-Disposition must be form-data with a name.");
  }
  part.name = restore_quotes(*name);
  check_text(part.name, "name");
  if (const std::string* filename = field.find("filename")) {
    part.filename = restore_quotes(*filename);
  }
  if (const std::string* extended = field.find("filename*")) {
    if (auto filename = parse_extended(*extended)) part.filename = std::move(*filename);
  }
  if (part.filename) check_text(*part.filename, "filename");
}

PartHeader parse_part_header(std::string_view text) {
  PartHeader part;
  bool has_disposition = false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find("\r\n"), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 2, text.size()));
    const std::size_t colon = line.find(':');
    if (colon == line.npos) throw MultipartError("A line of a part's header has no colon.");
    const std::string name = lower_case(trimmed(line.substr(0, colon)));
    const std::string_view value = trimmed(line.substr(colon + 1));
    if (name == "content-disposition") {
      take_disposition(value, part);
      has_disposition = true;
    } else if (name == "content-type") {
      part.content_type = std::string(value);
    } else if (name == "content-transfer-encoding") {
      const std::string encoding = lower_case(value);
      if (encoding != "binary" && encoding != "8bit" && encoding != "7bit") {
        throw MultipartError("Send parts as they are, not in Content-Transfer-Encoding " +
                             encoding.substr(0, 40) + ".");
      }
    }
  }
  if (!has_disposition) throw MultipartError("A part has no Content-Disposition.");
  return part;
}

}  // namespace

std::optional<std::string> multipart_boundary(std::string_view content_type) {
  try {
    const FieldValue field = parse_field_value(content_type);
    const std::string* boundary = field.find("boundary");
    if (field.word != "multipart/form-data" || boundary == nullptr) return std::nullopt;
    if (boundary->empty() || boundary->size() > 70) return std::nullopt;
    return *boundary;
  } catch (const MultipartError&) {
    return std::nullopt;
  }
}

MultipartParser::MultipartParser(std::string_view boundary, MultipartEvents events)
    : delimiter_("\r\n--" + std::string(boundary)),
      events_(std::move(events)),
      pending_("\r\n") {}  // so that a boundary at the very start is one too

void MultipartParser::feed(std::string_view bytes) {
  if (state_ == State::epilogue) return;
  pending_.append(bytes);
  while (step()) {
  }
  pending_.erase(0, consumed_);
  consumed_ = 0;
}

void MultipartParser::finish() {
  if (state_ == State::epilogue) return;
  throw MultipartError(parts_ == 0 ? "The body has no part; is the boundary that of Content-Type?"
                                   : "The body ends before its last boundary.");
}

// False: more bytes are needed, or none are wanted.
bool MultipartParser::step() {
  switch (state_) {
    case State::preamble:
      return skip_preamble();
    case State::after_boundary:
      return read_boundary_end();
    case State::header:
      return read_header();
    case State::data:
      return pass_data();
    case State::epilogue:
      consumed_ = pending_.size();
      return false;
  }
  return false;
}

void MultipartParser::take(std::size_t bytes) {
  consumed_ += bytes;
}

bool MultipartParser::skip_preamble() {
  const std::size_t found = pending_.find(delimiter_);
  if (found == pending_.npos) {
    if (pending_.size() > header_limit) {
      throw MultipartError("The body does not begin with the boundary of Content-Type.");
    }
    return false;
  }
  take(found + delimiter_.size());
  state_ = State::after_boundary;
  return true;
}

// Two dashes end the body; else white space may stand before the line's end.
bool MultipartParser::read_boundary_end() {
  const std::string_view rest = std::string_view(pending_).substr(consumed_);
  if (rest.size() < 2) return false;
  if (rest.starts_with("--")) {
    if (parts_ == 0) throw MultipartError("The form has no part.");
    state_ = State::epilogue;
    return true;
  }
  const std::size_t end = rest.find_first_not_of(" \t");
  if (end == rest.npos || end + 1 == rest.size()) {
    if (rest.size() > header_limit) throw MultipartError("A boundary's line does not end.");
    if (end == rest.npos || rest[end] == '\r') return false;
  }
  if (rest.substr(end, 2) != "\r\n")
    throw MultipartError("A boundary is not followed by a line's end.");
  if (++parts_ > part_limit) {
    throw MultipartError("The form has more than " + std::to_string(part_limit) + " parts.");
  }
  take(end);  // the line's end stays: a part without header begins with an empty line at once
  state_ = State::header;
  return true;
}

bool MultipartParser::read_header() {
  const std::string_view rest = std::string_view(pending_).substr(consumed_);
  const std::size_t end = rest.find("\r\n\r\n");
  if (end > header_limit && rest.size() > header_limit) {
    throw MultipartError("A part's header is longer than " + std::to_string(header_limit) +
                         " bytes.");
  }
  if (end == rest.npos) return false;
  const std::string_view lines = end == 0 ? std::string_view() : rest.substr(2, end - 2);
  const PartHeader part = parse_part_header(lines);
  take(end + 4);
  state_ = State::data;
  if (events_.on_part) events_.on_part(part);
  return true;
}

bool MultipartParser::pass_data() {
  const std::string_view rest = std::string_view(pending_).substr(consumed_);
  const std::size_t found = rest.find(delimiter_);
  // Without a delimiter, what could be its beginning waits for the next bytes.
  const std::size_t kept = std::min(rest.size(), delimiter_.size() - 1);
  const std::string_view data = rest.substr(0, found == rest.npos ? rest.size() - kept : found);
  take(data.size());
  if (!data.empty() && events_.on_data) events_.on_data(data);
  if (found == rest.npos) return false;
  take(delimiter_.size());
  state_ = State::after_boundary;
  if (events_.on_end) events_.on_end();
  return true;
}

}  // namespace graft
