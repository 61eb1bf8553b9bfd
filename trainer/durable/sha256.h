// SHA-256 of memory, streams and files, as 64 lower-case hex digits: how files, backbones and
// bundles are named and verified; HMAC for signed links. Torch-free. The functions have no state.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace graft {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(std::span<const std::byte> bytes);
  std::string hex();  // ends the digest; call once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_of_bytes(std::string_view bytes);
// Reads the file once, in pieces. Throws std::system_error where it cannot be read.
std::string sha256_of_file(const std::filesystem::path& path);
std::string hmac_sha256_hex(std::string_view key, std::string_view message);
bool equal_in_constant_time(std::string_view left, std::string_view right);

}  // namespace graft
