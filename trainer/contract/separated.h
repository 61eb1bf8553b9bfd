// CSV and TSV, record by record, and what their header says: which separator, which columns. The
// daemon reads the header for its quick look, the worker the whole file, so that they agree.
// Torch-free, no state but the reader's own: any thread may use its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "trainer/contract/row_shape.h"

namespace graft {

inline constexpr std::size_t max_line_bytes = std::size_t{1} << 20;
inline constexpr std::string_view line_too_long =
    "the row is longer than 1 MiB; shorten its text, of which only the first tokens are read";

// A record of the file, over several line ends where a quoted field holds them.
struct SeparatedRecord {
  std::vector<std::string> fields;
  std::int64_t line = 0;             // where it began
  std::string_view bytes;            // as in the file, its line end included
  std::size_t offset = 0;            // of `bytes` within the text
  std::optional<std::string> fault;  // why it is no record

  bool blank() const { return !fault && fields.size() == 1 && trim(bytes).empty(); }
};

// RFC 4180 with any separator; lines end in LF or CRLF. A fault inside a record leaves the reader
// at the next line end.
class SeparatedReader {
 public:
  SeparatedReader(std::string_view text, char separator) : text_(text), separator_(separator) {}

  bool next(SeparatedRecord& record);  // false at the end of the text
  void skip_line();
  std::size_t position() const { return position_; }

 private:
  bool read_field(SeparatedRecord& record);
  bool read_quoted(SeparatedRecord& record, std::string& field);

  std::string_view text_;
  char separator_;
  std::size_t position_ = 0;
  std::int64_t line_ = 1;
};

// Where the columns of a shape stand, and how the file is to be read.
struct SeparatedHeader {
  char separator = ',';
  bool sep_line = false;  // the file begins with a line sep=…
  RowShape shape;
  std::size_t columns = 0, text = 0, pair = 0, label = 0;
};

struct HeaderFault {
  std::int64_t line = 0;
  std::string member, problem;
};

// The separator is the suffix's own where the header has its columns with it, else that of
// `,` `;` tab `|` with which it has; a line sep=… decides. A reader with it stands behind the
// header once it has skipped the sep= line and read a record that is not blank.
std::variant<SeparatedHeader, HeaderFault> read_separated_header(std::string_view text,
                                                                 DataFormat format,
                                                                 const RowWish& wish);

std::string separator_name(char separator);  // "commas", "tabs", …

// Whether each line that a record of several lines covers would be a row of its own if quotes
// meant nothing: then two readers may well disagree.
bool lines_look_like_rows(const SeparatedRecord& record, char separator, std::size_t columns);

}  // namespace graft
