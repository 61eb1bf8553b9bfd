// A target of tests/fuzz: GRAFT_FUZZ_TARGET(name) { … input … } is a libFuzzer program where
// GRAFT_FUZZ builds it, and a test that replays tests/fuzz/seeds/name and tests/fuzz/findings/name
// everywhere else. A target may throw only what it does not catch as an expected refusal; `hold` is
// for what must be true of every input.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#ifdef GRAFT_FUZZ

#include <cstddef>
#include <cstdint>

#define GRAFT_FUZZ_TARGET(name)                                                        \
  static void fuzz_##name(std::string_view input);                                     \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) { \
    fuzz_##name({reinterpret_cast<const char*>(bytes), size});                         \
    return 0;                                                                          \
  }                                                                                    \
  static void fuzz_##name([[maybe_unused]] std::string_view input)

#else

#include <doctest/doctest.h>

namespace graft::fuzz {
using Target = void (*)(std::string_view input);
// Every file kept for the target; fails where there is no seed.
void replay(const char* name, Target target);
}  // namespace graft::fuzz

#define GRAFT_FUZZ_TARGET(name)                       \
  static void fuzz_##name(std::string_view input);    \
  TEST_CASE("inputs kept for " #name " still hold") { \
    graft::fuzz::replay(#name, fuzz_##name);          \
  }                                                   \
  static void fuzz_##name([[maybe_unused]] std::string_view input)

#endif

namespace graft::fuzz {

// A broken promise ends the program under the fuzzer and fails the test elsewhere.
inline void hold(bool promise, const std::string& what) {
  if (!promise) throw std::logic_error(what);
}

}  // namespace graft::fuzz
