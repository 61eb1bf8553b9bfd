// Forms, cut into pieces in every possible way.
#include "services/http/multipart.h"

#include <doctest/doctest.h>

#include <random>
#include <vector>

using namespace graft;

namespace {

struct Part {
  PartHeader header;
  std::string data;
  bool ended = false;
};

class Collector {
 public:
  explicit Collector(std::string_view boundary)
      : parser(boundary, {[this](const PartHeader& part) {
                            parts.push_back({part, "", false});
                          },
                          [this](std::string_view bytes) { parts.back().data.append(bytes); },
                          [this] { parts.back().ended = true; }}) {}
  std::vector<Part> parts;
  MultipartParser parser;
};

std::vector<Part> read(std::string_view body, std::string_view boundary = "b") {
  Collector collector(boundary);
  collector.parser.feed(body);
  collector.parser.finish();
  return std::move(collector.parts);
}

std::string part(const std::string& disposition, const std::string& data) {
  return "--b\r\nContent-Disposition: form-data; " + disposition + "\r\n\r\n" + data + "\r\n";
}

std::string message_of(std::string_view body) {
  try {
    read(body);
  } catch (const MultipartError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("the form that the openai client sends is read, cut at any two places") {
  const std::string boundary = "0123456789abcdef0123456789abcdef";
  const std::string data = "{\"text\": \"a\"}\r\n--0123456789\r\n\r\n--\r\n-\r\n\n\r\r";
  const std::string body =
      "--" + boundary +
      "\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nfine-tune\r\n--" + boundary +
      "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"träin.jsonl\"\r\n" +
      "Content-Type: application/octet-stream\r\n\r\n" + data + "\r\n--" + boundary + "--\r\n";
  int wrong = 0;
  for (std::size_t first = 0; first <= body.size(); ++first) {
    for (std::size_t second = first; second <= body.size(); second += 1 + (second - first) / 8) {
      Collector collector(boundary);
      collector.parser.feed(std::string_view(body).substr(0, first));
      collector.parser.feed(std::string_view(body).substr(first, second - first));
      collector.parser.feed(std::string_view(body).substr(second));
      collector.parser.finish();
      const auto& parts = collector.parts;
      const bool right = parts.size() == 2 && parts[0].header.name == "purpose" &&
                         !parts[0].header.filename && parts[0].data == "fine-tune" &&
                         parts[1].header.name == "file" &&
                         parts[1].header.filename == "träin.jsonl" &&
                         parts[1].header.content_type == "application/octet-stream" &&
                         parts[1].data == data && parts[0].ended && parts[1].ended;
      if (!right) ++wrong;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("one byte at a time gives the same as all at once") {
  const std::string body =
      "preamble\r\n" + part("name=a", "") + part("name=\"b\"", "\r\n--") + "--b--epilogue";
  Collector collector("b");
  for (const char& c : body) collector.parser.feed(std::string_view(&c, 1));
  collector.parser.finish();
  const auto whole = read(body);
  REQUIRE(whole.size() == 2);
  REQUIRE(collector.parts.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(whole[i].data == collector.parts[i].data);
    CHECK(whole[i].header.name == collector.parts[i].header.name);
  }
  CHECK(whole[0].data.empty());
  CHECK(whole[1].data == "\r\n--");
}

TEST_CASE("memory does not grow with the file") {
  Collector collector("b");
  std::size_t largest = 0, total = 0;
  MultipartParser parser("b", {nullptr,
                               [&](std::string_view bytes) {
                                 largest = std::max(largest, bytes.size());
                                 total += bytes.size();
                               },
                               nullptr});
  parser.feed("--b\r\nContent-Disposition: form-data; name=file; filename=x\r\n\r\n");
  const std::string piece(65'536, '\r');
  for (int i = 0; i < 100; ++i) parser.feed(piece);
  parser.feed("\r\n--b--\r\n");
  parser.finish();
  CHECK(total == 100 * piece.size());
  CHECK(largest <= piece.size() + 16);
}

TEST_CASE("names: quotes, escapes, percent signs, extended names") {
  const auto name_of = [](const std::string& filename) {
    return *read(part("name=f; " + filename, "x") + "--b--").at(0).header.filename;
  };
  CHECK(name_of("filename=plain.txt") == "plain.txt");
  CHECK(name_of("filename=\"a \\\"b\\\".txt\"") == "a \"b\".txt");
  CHECK(name_of("filename=\"a;b=c.txt\"") == "a;b=c.txt");
  CHECK(name_of("filename=\"C:\\data\\x.txt\"") == "C:\\data\\x.txt");
  CHECK(name_of("filename=\"a%22b.txt\"") == "a\"b.txt");
  CHECK(name_of("filename=\"x\"; filename*=UTF-8''na%C3%AFve.txt") == "naïve.txt");
  CHECK(name_of("filename*=UTF-8''%zz; filename=\"y\"") == "y");
  CHECK(read("--b\r\ncontent-disposition:form-data;NAME=f\r\n\r\nx\r\n--b--").at(0).header.name ==
        "f");
}

TEST_CASE("malformed forms are refused with the reason") {
  CHECK(message_of("").find("no part") != std::string::npos);
  CHECK(message_of("--other\r\n\r\n").find("no part") != std::string::npos);
  CHECK(message_of("--b--").find("no part") != std::string::npos);
  CHECK(message_of(part("name=a", "x")).find("last boundary") != std::string::npos);
  CHECK(message_of(part("name=a", "x") + "--b").find("last boundary") != std::string::npos);
  CHECK(message_of("--b\r\n\r\nx\r\n--b--").find("Content-Disposition") != std::string::npos);
  CHECK(message_of("--b\r\nnonsense\r\n\r\nx\r\n--b--").find("colon") != std::string::npos);
  CHECK(message_of(part("nam=a", "x") + "--b--").find("name") != std::string::npos);
  CHECK(message_of(part("name=\"a", "x") + "--b--").find("does not end") != std::string::npos);
  CHECK(message_of(part("name=a; filename=\"\xFF\"", "x") + "--b--").find("UTF-8") !=
        std::string::npos);
  CHECK(message_of("--b\r\nX: " + std::string(9000, 'x')).find("longer") != std::string::npos);
  CHECK(message_of(std::string(9000, 'x')).find("begin") != std::string::npos);
  CHECK(message_of("--bx\r\n").find("line's end") != std::string::npos);
  std::string many;
  for (int i = 0; i < 65; ++i) many += part("name=a", "x");
  CHECK(message_of(many + "--b--").find("64 parts") != std::string::npos);
  CHECK(message_of("--b\r\nContent-Disposition: form-data; name=a\r\n"
                   "Content-Transfer-Encoding: base64\r\n\r\nx\r\n--b--")
            .find("base64") != std::string::npos);
}

TEST_CASE("random damage never does worse than an error") {
  std::mt19937 random(7);
  const std::string good =
      part("name=a; filename=\"x\"", "some data") + part("name=b", "y") + "--b--";
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string body = good;
    for (unsigned k = random() % 4 + 1; k > 0; --k) {
      const std::size_t at = random() % body.size();
      switch (random() % 3) {
        case 0:
          body[at] = static_cast<char>(random());
          break;
        case 1:
          body.erase(at, random() % 5);
          break;
        default:
          body.insert(at, std::string(random() % 5, "\r\n-b;\""[random() % 6]));
      }
    }
    Collector collector("b");
    try {
      for (std::size_t at = 0; at < body.size(); at += 7) {
        collector.parser.feed(std::string_view(body).substr(at, 7));
      }
      collector.parser.finish();
    } catch (const MultipartError&) {
      ++refused;
    }
  }
  CHECK(refused > 1000);
  CHECK(refused < 20'000);
}

TEST_CASE("the boundary comes from Content-Type") {
  CHECK(multipart_boundary("multipart/form-data; boundary=abc") == "abc");
  CHECK(multipart_boundary("Multipart/Form-Data; charset=x; BOUNDARY=\"a b\"") == "a b");
  CHECK_FALSE(multipart_boundary("multipart/form-data"));
  CHECK_FALSE(multipart_boundary("multipart/mixed; boundary=a"));
  CHECK_FALSE(multipart_boundary("multipart/form-data; boundary="));
  CHECK_FALSE(multipart_boundary("multipart/form-data; boundary=" + std::string(71, 'x')));
}
