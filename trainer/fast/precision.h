// What this machine multiplies fastest in, found by measuring, and whether its products keep what
// the fast pass builds on.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string_view>

#include "trainer/contract/order.h"
#include "trainer/fast/thread_pool.h"

namespace graft {

struct ProductSpeeds {
  double fp32 = 0;  // FLOP/s of the pool's threads together; 0: cannot be used
  double bf16 = 0;
};

// Takes about 0.1 s. A precision is used only if its products are right and a row's bits do not
// depend on how many rows there are.
ProductSpeeds measure_products(ThreadPool& threads);

// What was asked for does not work here.
class PrecisionError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// auto: bf16 where it is clearly faster. nullopt: neither can be used. Throws PrecisionError.
std::optional<Precision> choose_precision(Precision wanted, const ProductSpeeds& speeds);

}  // namespace graft
