#include "services/wire/names.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>

#include "trainer/durable/sha256.h"

namespace graft {

namespace {

constexpr std::size_t longest_name = 64, hash_digits = 8;

struct CodePoints {
  std::uint32_t first, last;
};
// Controls, soft hyphen, joiners and marks of direction, fillers, tags and the like.
constexpr std::array<CodePoints, 18> invisible = {{{0x00, 0x1F},
                                                   {0x7F, 0x9F},
                                                   {0xAD, 0xAD},
                                                   {0x34F, 0x34F},
                                                   {0x61C, 0x61C},
                                                   {0x115F, 0x1160},
                                                   {0x17B4, 0x17B5},
                                                   {0x180B, 0x180F},
                                                   {0x200B, 0x200F},
                                                   {0x2028, 0x202E},
                                                   {0x2060, 0x206F},
                                                   {0x3164, 0x3164},
                                                   {0xFE00, 0xFE0E},
                                                   {0xFEFF, 0xFEFF},
                                                   {0xFFA0, 0xFFA0},
                                                   {0xFFF0, 0xFFFB},
                                                   {0x1D173, 0x1D17A},
                                                   {0xE0000, 0xE0FFF}}};

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Length of the UTF-8 sequence that `lead` opens; 1 for what opens none.
std::size_t sequence_length(unsigned char lead) {
  return lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
}

}  // namespace

std::optional<std::string> invisible_character(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = sequence_length(lead);
    std::uint32_t point = length == 1 ? lead : lead & (0xFFU >> (length + 1));
    bool whole = i + length <= text.size() && (length > 1 || lead < 0x80);
    for (std::size_t k = 1; whole && k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      whole = (next & 0xC0U) == 0x80U;
      point = point << 6 | (next & 0x3FU);
    }
    const bool found = whole && std::any_of(invisible.begin(), invisible.end(), [&](auto range) {
                         return point >= range.first && point <= range.last;
                       });
    if (found) {
      std::array<char, 16> shown{};
      std::snprintf(shown.data(), shown.size(), "U+%04X", static_cast<unsigned>(point));
      return std::string(shown.data());
    }
    i += whole ? length : 1;
  }
  return std::nullopt;
}

bool is_task_name(std::string_view name) {
  return !name.empty() && name.size() <= longest_name && is_plain(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return is_plain(c) || c == '.' || c == '_' || c == '-'; });
}

bool looks_like_id(std::string_view name) {
  constexpr std::array<std::string_view, 9> prefixes = {
      "task_", "ver_", "trial_", "run_", "file-", "ftjob-", "ftevent-", "ftckpt-", "ft:"};
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

std::string task_name_of_suffix(std::string_view suffix) {
  if (suffix.empty() || (is_task_name(suffix) && !looks_like_id(suffix)))
    return std::string(suffix);
  std::string name;
  for (const char c : suffix) {
    if (is_plain(c) || (!name.empty() && (c == '.' || c == '_' || c == '-')))
      name += c;
    else if (!name.empty() && name.back() != '-')
      name += '-';
  }
  if (looks_like_id(name)) name.insert(0, "suffix-");
  name.resize(std::min(name.size(), longest_name - hash_digits - 1));
  while (!name.empty() && name.back() == '-') name.pop_back();
  if (name.empty()) name = "suffix";
  return name + "-" + sha256_of_bytes(suffix).substr(0, hash_digits);
}

bool is_alias_name(std::string_view name) {
  constexpr std::string_view first = "abcdefghijklmnopqrstuvwxyz0123456789";
  constexpr std::string_view any = "abcdefghijklmnopqrstuvwxyz0123456789._-";
  return !name.empty() && name.size() <= longest_name && first.find(name.front()) != first.npos &&
         name.find_first_not_of(any) == name.npos;
}

std::string alias_fault(std::string_view name) {
  if (name == "latest") return "means the newest version of a task everywhere";
  if (name.find_first_not_of("0123456789") == name.npos) return "reads as a version's number";
  if (looks_like_id(name)) return "reads as an id of this service";
  return "";
}

}  // namespace graft
