// Files that are complete or not there. No state: any thread, one writer of a path at a time.
#pragma once

#include <filesystem>
#include <string_view>

namespace graft {

enum class Durability {
  synced,   // outlives a power cut
  renamed,  // readers never see half of it; a power cut may undo it
};

// Writes PATH.part beside path, syncs where so asked, renames. Throws std::system_error, which
// names a full disk without the directory (customers read it), and leaves nothing beside.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes,
                           Durability durability = Durability::synced);

}  // namespace graft
