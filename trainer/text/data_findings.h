// What of a lane's data is no fault but deserves a word before training starts: rows twice, one
// text under two labels, rows in both files, labels that look alike, are the same
// number or a word for a missing value. With counts.
// Works on hashes of texts, not on texts. No state: any thread may call.
#pragma once

#include <string>
#include <vector>

#include "trainer/text/dataset.h"
#include "trainer/text/tokenized_file.h"

namespace graft {

// validation: nullptr where rows are split off. The messages name the files. names_classes: what is
// learned are labels, not numbers.
std::vector<DataNote> find_in_data(const TokenizedFile& training, const std::string& training_name,
                                   const TokenizedFile* validation,
                                   const std::string& validation_name, bool names_classes);

}  // namespace graft
