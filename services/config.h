// What graftd is told: flags, environment, configuration file, in this order of precedence; all
// checked before anything is opened. CLI11 lives here. Called once, by main (and by tests, which
// bring their own environment).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "scheduler/core_budget.h"
#include "services/auth.h"
#include "trainer/contract/order.h"

namespace graft {

struct BackboneOption {
  std::string name;
  std::filesystem::path directory;
};

enum class LogFormat { text, json };
enum class LogLevel { debug, info, warn, error };

struct Config {
  std::filesystem::path data_dir;
  std::vector<BackboneOption> backbones;
  std::string listen_address = "127.0.0.1";  // without brackets
  std::uint16_t listen_port = 8080;
  int connections = 1024;                      // at a time
  std::optional<int> connections_per_address;  // nullopt: a quarter of them
  WantedCores cores;                           // as asked for: plan_budget makes it fit the machine
  int jobs_per_run = 1;
  AuthMode auth = AuthMode::keys_optional;
  LogFormat log_format = LogFormat::text;
  LogLevel log_level = LogLevel::info;
  std::filesystem::path worker_program;
  std::string device = "auto";
  Precision precision = Precision::automatic;
};

// graftd keys …: works on the data directory and ends.
struct KeysCommand {
  enum class Action { create, list, revoke };
  Action action = Action::list;
  std::string subject;   // customer name or key id
  std::string key_name;  // of a new key; may be empty
};

struct Invocation {
  Config config;
  std::optional<KeysCommand> keys;
};

// --help, --version or a mistake: print and end with `exit_code`.
struct EarlyExit {
  int exit_code = 0;
  std::string message;
};

using Environment = std::function<std::optional<std::string>(const std::string& name)>;
Environment process_environment();

// `program_directory`: where graftd itself is, for the default of --worker-program.
std::variant<Invocation, EarlyExit> parse_invocation(const std::vector<std::string>& arguments,
                                                     const Environment& environment,
                                                     const std::filesystem::path& program_directory,
                                                     std::string_view version);

// "http://127.0.0.1:8080", IPv6 in brackets.
std::string base_url(std::string_view address, std::uint16_t port);

}  // namespace graft
