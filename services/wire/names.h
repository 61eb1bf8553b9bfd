// What may be a name: of tasks, aliases, files. Names and ids share one space, so no name may look
// like an id or a word with a meaning of its own. No state: any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace graft {

// The first character that nobody sees or that turns the direction of reading (controls, zero
// width, bidirectional marks), as "U+202E". Bytes that are not UTF-8 are passed over.
std::optional<std::string> invisible_character(std::string_view text);

// A letter or digit, then letters, digits, '.', '_', '-'; 64 at most.
bool is_task_name(std::string_view name);

// Begins as the ids of this service do ("task_", "file-", …).
bool looks_like_id(std::string_view name);

// A task's name out of any suffix. One that is a task's name already stays as it is; where
// characters were lost, eight digits of the suffix's SHA-256 keep different suffixes apart.
std::string task_name_of_suffix(std::string_view suffix);

bool is_alias_name(std::string_view name);
// Why a well-formed alias name may not be given anew; empty: it may.
std::string alias_fault(std::string_view name);

}  // namespace graft
