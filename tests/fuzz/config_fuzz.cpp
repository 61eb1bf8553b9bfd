// The configuration file: taken, or refused with status 2 and a reason.
#include "services/config.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/memory_file.h"

GRAFT_FUZZ_TARGET(config) {
  using namespace graft;
  using fuzz::hold;
  const fuzz::MemoryFile file(input);
  const Environment nothing = [](const std::string&) { return std::nullopt; };
  const auto result = parse_invocation(
      {"--config", file.path(), "--data-dir", "/srv/graft", "--backbone", "minilm=/tmp"}, nothing,
      "/opt/graft", "1.2.3");
  if (const auto* exit = std::get_if<EarlyExit>(&result)) {
    hold(exit->exit_code == 2 && !exit->message.empty(), "a mistake is told, with status 2");
  } else {
    const Config& config = std::get<Invocation>(result).config;
    hold(config.backbones.size() == 1 && config.data_dir == "/srv/graft",
         "the command line goes first");
  }
}
