// Multipart bodies: the first line is the Content-Type, the rest the body. However the bytes are
// cut, the parts are the same.
#include "services/http/multipart.h"
#include "tests/fuzz/fuzz_target.h"

namespace graft {
namespace {

using fuzz::hold;

// What came out, as text; the data of a part joined, since pieces may fall anywhere.
std::string read_in_pieces(std::string_view boundary, std::string_view body, std::size_t piece) {
  std::string seen;
  MultipartParser parser(
      boundary, {[&](const PartHeader& part) {
                   seen += "part " + part.name + "|" + part.filename.value_or("-") + "|" +
                           part.content_type + "\n";
                 },
                 [&](std::string_view bytes) { seen += bytes; }, [&] { seen += "\nend\n"; }});
  try {
    for (std::size_t at = 0; at < body.size(); at += piece) parser.feed(body.substr(at, piece));
    parser.finish();
    return seen + "finished";
  } catch (const MultipartError&) {
    // How much of a bad body was handed on before the fault depends on the pieces.
    return "refused";
  }
}

}  // namespace
}  // namespace graft

GRAFT_FUZZ_TARGET(multipart) {
  using namespace graft;
  const std::size_t line = input.find('\n');
  if (line == input.npos) return;
  const auto boundary = multipart_boundary(input.substr(0, line));
  if (!boundary) return;
  const std::string_view body = input.substr(line + 1);
  const std::string whole = read_in_pieces(*boundary, body, std::max<std::size_t>(body.size(), 1));
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{61}})
    fuzz::hold(read_in_pieces(*boundary, body, piece) == whole, "pieces do not matter");
}
