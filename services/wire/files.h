// Files and models on the wire. No state: any thread.
#pragma once

#include <string>
#include <vector>

#include "services/wire/backbones.h"
#include "storage/records.h"

namespace graft {

std::string write_file(const File& file);
std::string write_file_list(const Page<File>& page);

// Backbones belong to "graft", adapter versions to their customer.
std::string write_model(const BackboneInfo& backbone);
std::string write_model(const AdapterVersion& version, std::string_view owner);
std::string write_model_list(const std::vector<BackboneInfo>& backbones,
                             const Page<AdapterVersion>& versions, std::string_view owner);

}  // namespace graft
