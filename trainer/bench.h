// `graft-worker bench`: what this machine makes of training on a backbone.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <vector>

#include "trainer/contract/order.h"

namespace graft {

struct BenchOptions {
  std::filesystem::path backbone;
  int threads = 1;
  Precision precision = Precision::automatic;
  std::vector<std::int64_t> lengths{14, 32, 64, 128, 256};  // tokens of every row
  std::vector<int> lanes{1, 2, 4, 8};
  int batch_size = 32;   // rows of a lane's step
  int size = 64;         // of the Houlsby adapters
  double seconds = 1.0;  // for each cell of the table
};

// Prints the speed of products at each precision, then a table: tokens trained a second at each
// length and number of lanes, also with the lower half of the layers frozen and kept, the share of
// the products' peak that the model's operations reach, and memory. Throws BackboneError;
// std::runtime_error where the precision does not work here.
void run_bench(const BenchOptions& options, std::ostream& out);

}  // namespace graft
