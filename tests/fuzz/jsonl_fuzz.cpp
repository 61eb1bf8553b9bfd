// Data files of JSONL.
#include "tests/fuzz/data_file_fuzz.h"

GRAFT_FUZZ_TARGET(jsonl) {
  graft::fuzz::read_data_file(input, "train.jsonl");
}
