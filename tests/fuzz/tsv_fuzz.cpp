// Data files of TSV.
#include "tests/fuzz/data_file_fuzz.h"

GRAFT_FUZZ_TARGET(tsv) {
  graft::fuzz::read_data_file(input, "train.tsv");
}
