// See identifiers.h. Every character is drawn evenly: bytes beyond the last whole multiple are
// thrown away.
#include "trainer/durable/identifiers.h"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace graft {
namespace {

std::string draw(std::string_view prefix, int length, std::string_view alphabet) {
  const unsigned usable =
      256 / static_cast<unsigned>(alphabet.size()) * static_cast<unsigned>(alphabet.size());
  const std::size_t total = prefix.size() + static_cast<std::size_t>(length);
  std::string text(prefix);
  text.reserve(total);
  std::array<unsigned char, 64> bytes;
  while (text.size() < total) {
    const ssize_t got = ::getrandom(bytes.data(), bytes.size(), 0);
    if (got < 0) {
      if (errno == EINTR) {
        continue;
      }
      throw std::system_error(errno, std::generic_category(), "getrandom");
    }
    for (ssize_t i = 0; i < got && text.size() < total; ++i) {
      const unsigned byte = bytes[static_cast<std::size_t>(i)];
      if (byte < usable) {
        text += alphabet[byte % alphabet.size()];
      }
    }
  }
  return text;
}

}  // namespace

std::string new_identifier(std::string_view prefix, int length) {
  return draw(prefix, length, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
}

std::string new_hex_identifier(std::string_view prefix, int digits) {
  return draw(prefix, digits, "0123456789abcdef");
}

}  // namespace graft
