// graftd keys …: works on the database of a data directory, beside a running daemon or without one,
// and ends. Called once, by main.
#pragma once

#include <filesystem>

#include "services/config.h"

namespace graft {

// The exit status. `create` alone makes a directory and a database where there are none.
int run_keys_command(const std::filesystem::path& data_dir, const KeysCommand& command);

}  // namespace graft
