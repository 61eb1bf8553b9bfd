// Zip files in memory, the same bytes for the same content.
//
// Thread-safe: no state.
#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

namespace graft {

class ArchiveError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

using ArchiveFiles = std::map<std::string, std::string>;  // name -> bytes

// Stored, not compressed (tensors hardly shrink), in name order, with one fixed date.
std::string write_archive(const ArchiveFiles& files);

// Every file of the zip, directories left out. Refuses more than size_limit bytes unpacked before
// unpacking. Throws ArchiveError.
ArchiveFiles read_archive(std::string_view bytes, std::uint64_t size_limit);

}  // namespace graft
