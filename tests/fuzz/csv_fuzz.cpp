// Data files of CSV.
#include "tests/fuzz/data_file_fuzz.h"

GRAFT_FUZZ_TARGET(csv) {
  graft::fuzz::read_data_file(input, "train.csv");
}
