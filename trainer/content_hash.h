// SHA-256 of bytes and of files, as lower-case hex: how backbones and bundles are named and
// verified.
//
// Torch-free. Thread-safe: no state.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace graft {

std::string sha256_of_bytes(std::string_view bytes);

// Reads the file once, in pieces. Throws std::system_error where it cannot be read.
std::string sha256_of_file(const std::filesystem::path& path);

}  // namespace graft
