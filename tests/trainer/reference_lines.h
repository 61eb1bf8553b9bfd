// The lines that tools/export_reference_tokenizer.py tokenized, made again; its head tells the
// rules.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "trainer/text/text_normalization.h"

namespace graft {

class ReferenceLines {
 public:
  using Ranges = std::vector<std::pair<std::uint32_t, std::uint32_t>>;  // first, last

  ReferenceLines(Ranges ranges, std::vector<std::string> strings)
      : ranges_(std::move(ranges)), strings_(std::move(strings)) {}

  std::string next() {
    std::string line;
    for (std::uint64_t parts = 2 + below(8); parts > 0; --parts) {
      append_part(line);
      if (below(3) != 0) line += ' ';
    }
    return line;
  }

 private:
  static constexpr std::uint32_t whole_range_end = 0x10F7FF;

  std::uint64_t below(std::uint64_t count) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return (state_ >> 33) % count;
  }

  void append_part(std::string& line) {
    const std::uint64_t kind = below(8);
    if (kind <= 4) {
      const auto [first, last] = ranges_[below(ranges_.size())];
      for (std::uint64_t count = 1 + below(6); count > 0; --count) {
        auto c = static_cast<char32_t>(first + below(last - first + 1));
        if (c >= 0xD800 && last == whole_range_end) c += 0x800;
        append_utf8(line, c);
      }
    } else if (kind == 5) {
      line += strings_[below(strings_.size())];
    } else if (kind == 6) {
      for (std::uint64_t count = 80 + below(40); count > 0; --count) {
        line += static_cast<char>('a' + below(26));
      }
    } else {
      for (std::uint64_t letters = 1 + below(5); letters > 0; --letters) {
        line += "aeiouAEIOU"[below(10)];
        for (std::uint64_t marks = below(4); marks > 0; --marks) {
          append_utf8(line, static_cast<char32_t>(0x300 + below(0x70)));
        }
      }
    }
  }

  Ranges ranges_;
  std::vector<std::string> strings_;
  std::uint64_t state_ = 1;
};

}  // namespace graft
