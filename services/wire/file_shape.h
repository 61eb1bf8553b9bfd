// The quick look at a data file when a job is submitted: its name and its first row. The worker
// reads it all. No state: any thread; reads at most two MiB of the file.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "trainer/contract/row_shape.h"

namespace graft {

// HttpError 400 with code invalid_training_file (or invalid_validation_file) and `param`
// ("training_file" or "validation_file"), naming file, line and member, where the first row cannot
// be one of docs/api.md's shapes.
void check_file_shape(const std::filesystem::path& path, const std::string& filename,
                      std::string_view param, const RowWish& wish);

}  // namespace graft
