// CLI11 parses flags and the file's syntax; what was not given as a flag is then taken from the
// environment, then from the file. Every mistake names where it came from.
#include "services/config.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <stdexcept>

#include "services/config_backbones.h"
#include "trainer/contract/spelling.h"
#include "trainer/durable/plain_text.h"

namespace graft {
namespace {

// The options as text, before they are checked together.
struct Wanted {
  std::string data_dir, config_file;
  std::vector<std::string> backbones;
  std::string listen = "127.0.0.1:8080";
  std::string cores = "auto", workers = "auto", worker_threads = "auto";
  int connections = 1024;
  std::string connections_per_address = "auto";
  int jobs_per_run = 1;
  std::string auth = "auto";
  std::string log_format = "text", log_level = "info";
  std::string worker_program;
  std::string device = "auto";
  std::string precision = "auto";
};

// A number within the bounds, or "auto".
CLI::Validator number_or_auto(int least, int most) {
  return CLI::Validator(
      [=](const std::string& text) -> std::string {
        const auto number = whole_number<int>(text);
        if (text == "auto" || (number && *number >= least && *number <= most)) return {};
        return "'" + text + "' is neither auto nor a number from " + std::to_string(least) +
               " to " + std::to_string(most);
      },
      "");
}

CLI::Validator device_of_this_build() {
  return CLI::Validator(
      [](const std::string& text) -> std::string {
        if (text == "auto" || text == "cpu") return {};
        if (text == "cuda")
          return "'cuda': the workers of this build compute on CPUs only, so every job would fail; "
                 "leave --device out";
        return "'" + text + "' is neither auto nor cpu";
      },
      "");
}

// Of what number_or_auto let through.
std::optional<int> parse_number_or_auto(const std::string& text) {
  if (text == "auto") return std::nullopt;
  return std::stoi(text);
}

constexpr const char* footer = R"(
Every option but --config can also be set as an environment variable (--data-dir: GRAFT_DATA_DIR;
several backbones: one a line or separated by commas) or in the file of --config
(data-dir = "/srv/graft"). A flag wins over the environment, the environment over the file.

Example:
  graftd --data-dir ~/graft-data --backbone minilm=.deps/backbones/minilm
  curl http://127.0.0.1:8080/v1/models

For others on the network, with keys:
  graftd --data-dir /srv/graft keys create acme --name "build server"
  graftd --data-dir /srv/graft --backbone minilm=/srv/minilm --listen 0.0.0.0:8080 --auth required

graftd logs to stderr and prints one line to stdout when it is ready. SIGTERM or Ctrl-C stops
it within 10 s; training goes on and is taken up again by the next graftd on the same data
directory.

Exit status: 0 stopped as asked; 1 could not start or go on, with the reason on stderr; 2 an
option or its value is not understood.)";

struct Options {
  CLI::App app{
      "graftd learns tasks as small adapters on a frozen backbone and serves them over HTTP."};
  Wanted wanted;
  KeysCommand keys;
  CLI::App* keys_app = nullptr;
  std::map<std::string, CLI::Option*> settings;  // by name without dashes

  Options();

 private:
  template <class Value>
  CLI::Option* setting(const std::string& name, Value& value, const std::string& description) {
    return settings[name] = app.add_option("--" + name, value, description);
  }
  void add_keys_commands();
};

Options::Options() {
  app.name("graftd");
  app.footer(footer);
  app.get_formatter()->column_width(34);
  setting("data-dir", wanted.data_dir, "Where everything is kept; made where it is missing")
      ->type_name("DIR");
  setting("backbone", wanted.backbones,
          "A Hugging Face BERT directory and the name by which jobs ask for it; repeatable")
      ->type_name("NAME=DIR")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  setting("listen", wanted.listen, "Address and port, [::1]:8080 for IPv6; port 0: any free one")
      ->type_name("ADDRESS:PORT")
      ->capture_default_str();
  setting("connections", wanted.connections, "Connections at a time, at most")
      ->type_name("N")
      ->check(CLI::Range(8, 65536))
      ->capture_default_str();
  setting("connections-per-address", wanted.connections_per_address,
          "Of them those of one address; auto: a quarter. Behind a proxy, which is one address: as "
          "many as --connections")
      ->type_name("N")
      ->check(number_or_auto(1, 65536))
      ->capture_default_str();
  setting("cores", wanted.cores,
          "For everything that graftd starts, all trainings together; auto: those that the machine "
          "and the process' cgroup grant")
      ->type_name("N")
      ->check(number_or_auto(1, 65536))
      ->capture_default_str();
  setting("workers", wanted.workers, "Trainings at the same time, at most; auto: one a core")
      ->type_name("N")
      ->check(number_or_auto(1, 256))
      ->capture_default_str();
  setting("worker-threads", wanted.worker_threads,
          "Threads of each training, at most; auto: a job alone gets all cores, several share them")
      ->type_name("N")
      ->check(number_or_auto(1, 1024))
      ->capture_default_str();
  setting("jobs-per-run", wanted.jobs_per_run,
          "Queued jobs on one backbone that one training may learn side by side, at most")
      ->type_name("N")
      ->check(CLI::Range(1, 16))
      ->capture_default_str();
  setting("auth", wanted.auth,
          "Who needs a key: auto (nobody; only on loopback), required (everybody), off (keys are "
          "ignored; only on loopback)")
      ->check(CLI::IsMember({"auto", "required", "off"}))
      ->type_name("MODE")
      ->capture_default_str();
  setting("log-format", wanted.log_format, "text or json, a line each")
      ->check(CLI::IsMember({"text", "json"}))
      ->type_name("FORMAT")
      ->capture_default_str();
  setting("log-level", wanted.log_level,
          "Least that is logged: debug (every request too), info, warn or error")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->type_name("LEVEL")
      ->capture_default_str();
  setting("worker-program", wanted.worker_program,
          "The program that trains and predicts; default: graft-worker beside graftd")
      ->type_name("PATH");
  setting("device", wanted.device,
          "Where workers compute: auto or cpu; this build computes on CPUs only")
      ->check(device_of_this_build())
      ->type_name("DEVICE")
      ->capture_default_str();
  setting("precision", wanted.precision,
          "What trainings compute in: auto (what is fastest on this machine), fp32 or bf16")
      ->check(CLI::IsMember({"auto", "fp32", "bf16"}))
      ->type_name("PRECISION")
      ->capture_default_str();
  app.add_option("--config", wanted.config_file, "Options from a file, key = value (TOML or INI)")
      ->type_name("FILE");
  add_keys_commands();
}

void Options::add_keys_commands() {
  keys_app = app.add_subcommand("keys", "API keys: make, list, revoke");
  keys_app->require_subcommand(1);
  keys_app->fallthrough();
  auto* create = keys_app->add_subcommand("create", "Make a key of a customer and print it, once");
  create->add_option("customer", keys.subject, "Name: a-z, 0-9 and dashes; made where it is new")
      ->required();
  create->add_option("--name", keys.key_name, "What the list shows it as, like \"build server\"");
  auto* list =
      keys_app->add_subcommand("list", "All keys and their last use, without their secrets");
  auto* revoke = keys_app->add_subcommand("revoke", "End a key");
  revoke->add_option("id", keys.subject, "Id or shown prefix of the key")->required();
  for (auto* command : {create, list, revoke}) command->fallthrough();
  create->callback([this] { keys.action = KeysCommand::Action::create; });
  list->callback([this] { keys.action = KeysCommand::Action::list; });
  revoke->callback([this] { keys.action = KeysCommand::Action::revoke; });
}

void apply(CLI::Option& option, const std::vector<std::string>& values, const std::string& source) {
  try {
    for (const std::string& value : values) option.add_result(value);
    option.run_callback();
  } catch (const CLI::Error& error) {
    throw ConfigError(source + ": " + error.what());
  }
}

std::string environment_name(std::string_view option) {
  std::string name = "GRAFT_";
  for (const char c : option) {
    name.push_back(c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
  }
  return name;
}

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> items;
  std::size_t start = 0;
  while (start <= text.size()) {
    const std::size_t end = std::min(text.find_first_of(",\n", start), text.size());
    const auto item = trimmed(std::string_view(text).substr(start, end - start), " \t\r");
    if (!item.empty()) items.emplace_back(item);
    start = end + 1;
  }
  return items;
}

void apply_environment(Options& options, const Environment& environment) {
  for (const auto& [name, option] : options.settings) {
    const std::string variable = environment_name(name);
    const auto value = environment(variable);
    if (option->count() > 0 || !value || value->empty()) continue;
    apply(*option, name == "backbone" ? split_list(*value) : std::vector<std::string>{*value},
          variable);
  }
}

std::string nearest_setting(const Options& options, std::string_view key) {
  const auto closer = [&](const auto& left, const auto& right) {
    return edit_distance(left.first, key) < edit_distance(right.first, key);
  };
  return std::min_element(options.settings.begin(), options.settings.end(), closer)->first;
}

void apply_file(Options& options) {
  const std::string& path = options.wanted.config_file;
  if (path.empty()) return;
  std::ifstream file(path);
  if (!file) throw ConfigError("--config: cannot read " + path);
  std::vector<CLI::ConfigItem> items;
  try {
    items = CLI::ConfigTOML().from_config(file);
  } catch (const CLI::Error& error) {
    throw ConfigError(path + ": " + error.what());
  }
  std::map<std::string, std::vector<std::string>> values;
  for (const CLI::ConfigItem& item : items) {
    if (item.name == "++" || item.name == "--") continue;  // a section begins or ends
    const std::string key = item.fullname();
    if (options.settings.count(key) == 0) {
      throw ConfigError(path + ": unknown key '" + key + "'; did you mean '" +
                        nearest_setting(options, item.name) + "'?");
    }
    auto& list = values[key];
    list.insert(list.end(), item.inputs.begin(), item.inputs.end());
  }
  for (const auto& [key, list] : values) {
    CLI::Option& option = *options.settings.at(key);
    if (option.count() == 0) apply(option, list, path + ": " + key);
  }
}

void parse_listen(const std::string& text, Config& config) {
  const ConfigError error("--listen: '" + text +
                          "' is not ADDRESS:PORT, like 127.0.0.1:8080 or [::1]:8080");
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos) throw error;
  std::string address = text.substr(0, colon);
  const auto port = whole_number<std::uint16_t>(std::string_view(text).substr(colon + 1));
  if (!port) throw error;
  config.listen_port = *port;
  const bool bracketed = address.size() > 2 && address.front() == '[' && address.back() == ']';
  if (bracketed) address = address.substr(1, address.size() - 2);
  if (bracketed != (address.find(':') != address.npos)) throw error;
  if (address == "localhost") address = "127.0.0.1";
  if (address.empty() || address.find_first_not_of("0123456789abcdefABCDEF.:") != address.npos) {
    throw error;
  }
  config.listen_address = address;
}

bool is_loopback_address(const std::string& address) {
  return address.starts_with("127.") || address == "::1";
}

void check_auth(const Wanted& wanted, Config& config) {
  config.auth = wanted.auth == "required" ? AuthMode::keys_required
                : wanted.auth == "off"    ? AuthMode::off
                                          : AuthMode::keys_optional;
  if (is_loopback_address(config.listen_address) || config.auth == AuthMode::keys_required) return;
  throw ConfigError("--listen " + wanted.listen +
                    " can be reached from other machines, so everybody needs a key: "
                    "add --auth required and make keys with \"graftd keys create CUSTOMER\", or "
                    "listen on 127.0.0.1");
}

// Of what its check let through.
LogLevel parse_log_level(const std::string& text) {
  if (text == "debug") return LogLevel::debug;
  if (text == "warn") return LogLevel::warn;
  if (text == "error") return LogLevel::error;
  return LogLevel::info;
}

Invocation check(Options& options, const std::filesystem::path& program_directory) {
  const Wanted& wanted = options.wanted;
  Invocation invocation;
  Config& config = invocation.config;
  if (wanted.data_dir.empty())
    throw ConfigError("--data-dir is missing: name where to keep everything");
  config.data_dir = std::filesystem::absolute(wanted.data_dir);
  config.log_format = wanted.log_format == "json" ? LogFormat::json : LogFormat::text;
  config.log_level = parse_log_level(wanted.log_level);
  if (options.keys_app->parsed()) {
    invocation.keys = options.keys;
    return invocation;
  }
  config.backbones = parse_backbones(wanted.backbones);
  parse_listen(wanted.listen, config);
  check_auth(wanted, config);
  config.cores = {parse_number_or_auto(wanted.cores), parse_number_or_auto(wanted.workers),
                  parse_number_or_auto(wanted.worker_threads)};
  config.jobs_per_run = wanted.jobs_per_run;
  config.device = wanted.device;
  config.connections = wanted.connections;
  config.connections_per_address = parse_number_or_auto(wanted.connections_per_address);
  config.precision = parse_precision(wanted.precision).value_or(Precision::automatic);
  config.worker_program = wanted.worker_program.empty()
                              ? program_directory / "graft-worker"
                              : std::filesystem::absolute(wanted.worker_program);
  return invocation;
}

}  // namespace

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  };
}

std::variant<Invocation, EarlyExit> parse_invocation(const std::vector<std::string>& arguments,
                                                     const Environment& environment,
                                                     const std::filesystem::path& program_directory,
                                                     std::string_view version) {
  Options options;
  options.app.set_version_flag("--version", "graftd " + std::string(version));
  try {
    // CLI11 takes the arguments last first.
    options.app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    apply_environment(options, environment);
    apply_file(options);
    return check(options, program_directory);
  } catch (const CLI::Success& success) {
    std::ostringstream out, unused;
    options.app.exit(success, out, unused);
    return EarlyExit{0, out.str()};
  } catch (const CLI::ParseError& error) {
    return EarlyExit{2, std::string("graftd: ") + error.what() + "\nTry graftd --help.\n"};
  } catch (const ConfigError& error) {
    return EarlyExit{2, std::string("graftd: ") + error.what() + "\n"};
  }
}

std::string base_url(std::string_view address, std::uint16_t port) {
  const bool v6 = address.find(':') != address.npos;
  return "http://" + (v6 ? "[" + std::string(address) + "]" : std::string(address)) + ":" +
         std::to_string(port);
}

}  // namespace graft
