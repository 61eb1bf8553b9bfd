// Marks at the start of a file, UTF-16 and gzip.
#include "trainer/contract/data_bytes.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>

namespace graft {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view save_as = "save it as CSV (UTF-8) or JSONL and upload that";

struct Known {
  std::string_view mark, what;
};
constexpr std::array known_formats{
    Known{"PK\x03\x04"sv, "a ZIP archive"},
    Known{"PK\x05\x06"sv, "an empty ZIP archive"},
    Known{"\xD0\xCF\x11\xE0"sv, "an Excel workbook of the old kind (.xls)"},
    Known{"PAR1"sv, "a Parquet file"},
    Known{"ARROW1"sv, "an Arrow file"},
    Known{"BZh"sv, "compressed with bzip2"},
    Known{"\xFD"
          "7zXZ"sv,
          "compressed with xz"},
    Known{"\x28\xB5\x2F\xFD"sv, "compressed with zstd"},
    Known{"7z\xBC\xAF\x27\x1C"sv, "a 7z archive"},
    Known{"%PDF"sv, "a PDF document"},
    Known{"SQLite format 3"sv, "an SQLite database"},
    Known{"\x93NUMPY"sv, "a NumPy array"},
    Known{"\x89HDF"sv, "an HDF5 file"},
    Known{"\x89PNG"sv, "a picture (PNG)"},
    Known{"{\\rtf"sv, "a document in Rich Text Format (.rtf)"},
    Known{"\xFF\xFE\0\0"sv, "UTF-32"},
    Known{"\0\0\xFE\xFF"sv, "UTF-32"}};

// What the bytes are instead of text; empty: nothing known.
std::string foreign(std::string_view bytes) {
  for (const auto& [mark, what] : known_formats) {
    if (!bytes.starts_with(mark)) continue;
    std::string name(what);
    const std::string_view head = bytes.substr(0, 4096);
    if (head.starts_with("PK") &&
        (head.find("[Content_Types].xml") != head.npos || head.find("xl/") != head.npos))
      name = "an Excel workbook (.xlsx)";
    if (head.starts_with("PK") && head.find("opendocument") != head.npos)
      name = "an OpenDocument file (.ods)";
    return "the file is " + name + "; " + std::string(save_as);
  }
  if (bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF")) return {};
  if (bytes.size() > 262 && bytes.substr(257, 5) == "ustar")
    return "the file is a tar archive; upload the file that it holds";
  const std::string_view head = bytes.substr(0, 64);
  std::array<std::size_t, 2> zeros{};
  for (std::size_t i = 0; i < head.size(); ++i) zeros[i % 2] += head[i] == '\0' ? 1 : 0;
  if (head.size() >= 4 && std::max(zeros[0], zeros[1]) * 4 > head.size() &&
      std::min(zeros[0], zeros[1]) == 0)
    return "the file looks like UTF-16 without a byte order mark; save it as UTF-8";
  return {};
}

// Text that is no rows but stands for them, or an answer of a web server saved in their place.
std::string stand_in(std::string_view text) {
  if (text.starts_with("version https://git-lfs.github.com/spec/"))
    return "the file is a pointer of Git LFS, not the data itself; fetch the data with git lfs "
           "pull and upload that";
  const std::string_view first = text.substr(0, std::min(text.find('\n'), std::size_t{4096}));
  if (first.starts_with("/annex/objects/") ||
      (first.starts_with("../") && first.find(".git/annex/objects/") != first.npos))
    return "the file is a pointer of git-annex, not the data itself; fetch the data with git annex "
           "get and upload that";
  std::string head(text.substr(0, 512));
  head.erase(0, std::min(head.find_first_not_of(" \t\r\n"), head.size()));
  std::transform(head.begin(), head.end(), head.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  for (const std::string_view mark : {"<!doctype html", "<html", "<?xml"})
    if (head.starts_with(mark))
      return std::string("the file is ") + (mark == "<?xml" ? "XML" : "a web page (HTML)") +
             ", perhaps saved in place of the data; upload the data as CSV (UTF-8) or JSONL";
  return {};
}

// ---- gzip --------------------------------------------------------------------------------------

struct InflateEnd {
  void operator()(z_stream* stream) const { ::inflateEnd(stream); }
};

std::string unpack(std::string_view bytes, std::size_t most, bool head_only, std::string& text) {
  z_stream stream{};
  constexpr int gzip_windows = 15 + 16;
  if (::inflateInit2(&stream, gzip_windows) != Z_OK)
    return "there is no memory to unpack the gzip file; upload it unpacked";
  const std::unique_ptr<z_stream, InflateEnd> end(&stream);
  std::array<char, std::size_t{64} << 10> piece;
  std::size_t fed = 0;
  while (true) {
    if (stream.avail_in == 0 && fed < bytes.size()) {
      const std::size_t count = std::min<std::size_t>(bytes.size() - fed, std::size_t{1} << 20);
      // zlib does not write there, its type only says so.
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data() + fed));
      stream.avail_in = static_cast<uInt>(count);
      fed += count;
    }
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = static_cast<uInt>(piece.size());
    const int result = ::inflate(&stream, Z_NO_FLUSH);
    text.append(piece.data(), piece.size() - stream.avail_out);
    if (text.size() > most) {
      if (!head_only)
        return "the file unpacks to more than " + std::to_string(most >> 20) +
               " MiB; upload it unpacked or in parts";
      text.resize(most);
      return {};
    }
    const bool all_fed = stream.avail_in == 0 && fed == bytes.size();
    if (result == Z_STREAM_END) {
      if (all_fed) return {};
      if (::inflateReset(&stream) != Z_OK) return "the gzip file is damaged; upload it again";
    } else if (result == Z_BUF_ERROR || (result == Z_OK && all_fed && stream.avail_out > 0)) {
      if (!all_fed) continue;
      return head_only ? std::string() : "the gzip file ends too early; upload it again";
    } else if (result != Z_OK) {
      return "the gzip file is damaged; upload it again";
    }
  }
}

// ---- UTF-16 ------------------------------------------------------------------------------------

void append_utf8(std::string& text, std::uint32_t point) {
  const auto tail = [&](int shift) { text += static_cast<char>(0x80 | ((point >> shift) & 0x3F)); };
  if (point < 0x80) {
    text += static_cast<char>(point);
  } else if (point < 0x800) {
    text += static_cast<char>(0xC0 | (point >> 6));
    tail(0);
  } else if (point < 0x10000) {
    text += static_cast<char>(0xE0 | (point >> 12));
    tail(6), tail(0);
  } else {
    text += static_cast<char>(0xF0 | (point >> 18));
    tail(12), tail(6), tail(0);
  }
}

std::string from_utf16(std::string_view bytes, bool big, std::size_t most, bool head_only,
                       std::string& text) {
  const auto unit = [&](std::size_t i) -> std::uint32_t {
    const auto first = static_cast<unsigned char>(bytes[i]);
    const auto second = static_cast<unsigned char>(bytes[i + 1]);
    return big ? first * 256U + second : second * 256U + first;
  };
  if (bytes.size() % 2 != 0 && !head_only)
    return "the file is UTF-16 that ends within a character; save it as UTF-8";
  for (std::size_t i = 2; i + 1 < bytes.size(); i += 2) {
    if (text.size() + 4 > most) {
      if (head_only) return {};
      return "the file is UTF-16 and larger than " + std::to_string(most >> 20) +
             " MiB as UTF-8; save it as UTF-8";
    }
    std::uint32_t point = unit(i);
    if (point >= 0xD800 && point < 0xE000) {
      if (i + 3 >= bytes.size() && head_only) return {};
      const std::uint32_t low = i + 3 < bytes.size() ? unit(i + 2) : 0;
      if (point >= 0xDC00 || low < 0xDC00 || low > 0xDFFF)
        return "byte " + std::to_string(i + 1) +
               " of the file is half a character of UTF-16; save it as UTF-8";
      point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
      i += 2;
    }
    append_utf8(text, point);
  }
  return {};
}

}  // namespace

void decode_data(std::string_view bytes, std::size_t most, bool head_only, DecodedData& decoded) {
  decoded.text = bytes;
  if (bytes.starts_with("\x1F\x8B")) {
    std::string unpacked;
    decoded.problem = unpack(bytes, most, head_only, unpacked);
    if (!decoded.problem.empty()) return;
    decoded.owned = std::move(unpacked);
    decoded.text = decoded.owned;
    decoded.notes.emplace_back("The file is gzip and was unpacked.");
  }
  if (decoded.text.starts_with("\x1F\x8B"))
    decoded.problem = "the file is packed twice with gzip; unpack it once";
  if (decoded.problem.empty()) decoded.problem = foreign(decoded.text);
  if (!decoded.problem.empty()) return;
  const bool little = decoded.text.starts_with("\xFF\xFE");
  if (little || decoded.text.starts_with("\xFE\xFF")) {
    std::string text;
    decoded.problem = from_utf16(decoded.text, !little, most, head_only, text);
    decoded.owned = std::move(text);
    decoded.text = decoded.owned;
    decoded.notes.emplace_back("The file is UTF-16 and was read as such.");
  } else if (decoded.text.starts_with("\xEF\xBB\xBF")) {
    decoded.offset = 3;
    decoded.text.remove_prefix(3);
  }
  if (decoded.problem.empty()) decoded.problem = stand_in(decoded.text);
}

}  // namespace graft
