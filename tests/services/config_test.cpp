// Flags, environment and file, and what is refused.
#include "services/config.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>
#include <map>

using namespace graft;

namespace {

class ScratchDirectory {
 public:
  ScratchDirectory()
      : path(std::filesystem::temp_directory_path() /
             ("graft_config_" + std::to_string(::getpid()) + "_" + std::to_string(number_++))) {
    std::filesystem::create_directories(path / "minilm");
    std::filesystem::create_directories(path / "other");
  }
  ~ScratchDirectory() { std::filesystem::remove_all(path); }
  std::string file(const std::string& text) const {
    std::ofstream(path / "graft.toml") << text;
    return (path / "graft.toml").string();
  }
  const std::filesystem::path path;

 private:
  static inline int number_ = 0;
};

using Variables = std::map<std::string, std::string>;

std::variant<Invocation, EarlyExit> parse(const std::vector<std::string>& arguments,
                                          const Variables& variables = {}) {
  const Environment environment = [&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  };
  return parse_invocation(arguments, environment, "/opt/graft", "1.2.3");
}

Config config_of(const std::vector<std::string>& arguments, const Variables& variables = {}) {
  const auto result = parse(arguments, variables);
  if (const auto* exit = std::get_if<EarlyExit>(&result)) FAIL(exit->message);
  return std::get<Invocation>(result).config;
}

std::string refusal(const std::vector<std::string>& arguments, const Variables& variables = {}) {
  const auto result = parse(arguments, variables);
  REQUIRE(std::holds_alternative<EarlyExit>(result));
  CHECK(std::get<EarlyExit>(result).exit_code == 2);
  return std::get<EarlyExit>(result).message;
}

bool holds(const std::string& text, std::string_view part) {
  return text.find(part) != text.npos;
}

}  // namespace

TEST_CASE("two flags are enough, the rest has defaults") {
  const ScratchDirectory scratch;
  const Config config = config_of(
      {"--data-dir", "/srv/graft", "--backbone", "minilm=" + (scratch.path / "minilm").string()});
  CHECK(config.data_dir == "/srv/graft");
  REQUIRE(config.backbones.size() == 1);
  CHECK(config.backbones[0].name == "minilm");
  CHECK(config.listen_address == "127.0.0.1");
  CHECK(config.listen_port == 8080);
  CHECK_FALSE(config.cores.cores);
  CHECK_FALSE(config.cores.workers);
  CHECK_FALSE(config.cores.worker_threads);
  CHECK(config.precision == Precision::automatic);
  CHECK(config.auth == AuthMode::keys_optional);
  CHECK(config.worker_program == "/opt/graft/graft-worker");
  CHECK(config.device == "auto");
  CHECK(config.log_level == LogLevel::info);
  CHECK(config.jobs_per_run == 1);
}

TEST_CASE("a flag wins over the environment, the environment over the file") {
  const ScratchDirectory scratch;
  const std::string minilm = (scratch.path / "minilm").string();
  const std::string other = (scratch.path / "other").string();
  const std::string file = scratch.file(
      "data-dir = \"/file\"\nworkers = 2\nworker-threads = 3\n"
      "cores = 8\nprecision = \"fp32\"\n"
      "listen = \"[::1]:9\"\nlog-format = 'json'\n"
      "backbone = [\"a=" +
      minilm + "\", \"b=" + other + "\"]\n");
  const Variables variables = {{"GRAFT_WORKERS", "5"},
                               {"GRAFT_WORKER_THREADS", "6"},
                               {"GRAFT_PRECISION", "bf16"},
                               {"GRAFT_LOG_LEVEL", "warn"},
                               {"GRAFT_AUTH", ""}};
  const Config config = config_of({"--config", file, "--workers", "7"}, variables);
  CHECK(config.data_dir == "/file");
  CHECK(config.cores.cores == 8);
  CHECK(config.cores.workers == 7);
  CHECK(config.cores.worker_threads == 6);
  CHECK(config.precision == Precision::bf16);
  CHECK(config.listen_address == "::1");
  CHECK(config.listen_port == 9);
  CHECK(config.log_format == LogFormat::json);
  CHECK(config.log_level == LogLevel::warn);
  CHECK(config.backbones.size() == 2);
  CHECK(base_url(config.listen_address, config.listen_port) == "http://[::1]:9");
}

TEST_CASE("auto is a number that is left to the service, also where a weaker source names one") {
  const ScratchDirectory scratch;
  const std::string minilm = "m=" + (scratch.path / "minilm").string();
  const std::string file = scratch.file("workers = \"auto\"\ncores = 3\nworker-threads = 2\n");
  const Config config =
      config_of({"--data-dir=/x", "--backbone", minilm, "--config", file, "--worker-threads=auto"},
                {{"GRAFT_CORES", "auto"}});
  CHECK_FALSE(config.cores.cores);
  CHECK_FALSE(config.cores.workers);
  CHECK_FALSE(config.cores.worker_threads);
}

TEST_CASE("backbones: repeated flags, or a list in the environment") {
  const ScratchDirectory scratch;
  const std::string a = "a=" + (scratch.path / "minilm").string();
  const std::string b = "b=" + (scratch.path / "other").string();
  CHECK(config_of({"--data-dir", "/x", "--backbone", a, "--backbone", b}).backbones.size() == 2);
  for (const std::string separator : {",", "\n", " ,\n"}) {
    const Config config = config_of({"--data-dir=/x"}, {{"GRAFT_BACKBONE", a + separator + b}});
    REQUIRE(config.backbones.size() == 2);
    CHECK(config.backbones[1].name == "b");
  }
}

TEST_CASE("mistakes are refused with the way out") {
  const ScratchDirectory scratch;
  const std::string backbone = "--backbone=m=" + (scratch.path / "minilm").string();
  const auto with = [&](const std::string& flag) {
    return refusal({"--data-dir=/x", backbone, flag});
  };
  CHECK(holds(refusal({backbone}), "--data-dir is missing"));
  CHECK(holds(refusal({"--data-dir=/x"}), "--backbone is missing"));
  CHECK(holds(refusal({"--data-dir=/x", "--backbone=/srv/minilm"}), "NAME=DIR"));
  CHECK(holds(refusal({"--data-dir=/x", "--backbone=m=/no/such"}), "/no/such is not a directory"));
  CHECK(holds(with("--backbone=ft:x=/tmp"), "name 'ft:x'"));
  CHECK(holds(refusal({"--data-dir=/x", backbone, backbone}), "given twice"));
  CHECK(holds(with("--listen=8080"), "ADDRESS:PORT"));
  CHECK(holds(with("--listen=::1:8080"), "[::1]:8080"));
  CHECK(holds(with("--listen=127.0.0.1:99999"), "ADDRESS:PORT"));
  CHECK(holds(with("--listen=example.org:80"), "ADDRESS:PORT"));
  CHECK(holds(with("--listen=0.0.0.0:8080"), "--auth required"));
  CHECK(holds(refusal({"--data-dir=/x", backbone, "--listen=[::]:80", "--auth=off"}),
              "--auth required"));
  CHECK(holds(with("--jobs-per-run=0"), "--jobs-per-run"));
  CHECK(holds(with("--jobs-per-run=many"), "--jobs-per-run"));
  CHECK(holds(with("--workers=0"), "--workers"));
  CHECK(holds(with("--workers=0"), "neither auto nor a number from 1 to 256"));
  CHECK(holds(with("--worker-threads=1.5"), "'1.5' is neither auto nor a number"));
  CHECK(holds(with("--cores=-1"), "--cores"));
  CHECK(holds(refusal({"--data-dir=/x", backbone}, {{"GRAFT_CORES", "all"}}), "GRAFT_CORES"));
  CHECK(holds(with("--precision=fp16"), "bf16"));
  CHECK(holds(with("--device=cuda"), "compute on CPUs only"));
  CHECK(holds(with("--device=tpu"), "neither auto nor cpu"));
  CHECK(holds(refusal({"--data-dir=/x", backbone}, {{"GRAFT_DEVICE", "cuda"}}), "GRAFT_DEVICE"));
  CHECK(holds(with("--log-level=loud"), "debug"));
  CHECK(holds(with("--connections=3"), "--connections"));
  CHECK(holds(with("--connections-per-address=few"), "neither auto nor a number"));
  CHECK(holds(with("--auth=maybe"), "required"));
  CHECK(holds(with("--wrokers=2"), "--wrokers"));
  CHECK(holds(refusal({"--data-dir=/x", backbone}, {{"GRAFT_WORKERS", "many"}}), "GRAFT_WORKERS"));
}

TEST_CASE("an open address is fine with keys required") {
  const ScratchDirectory scratch;
  const std::string backbone = "--backbone=m=" + (scratch.path / "minilm").string();
  const Config config =
      config_of({"--data-dir=/x", backbone, "--listen=0.0.0.0:80", "--auth=required"});
  CHECK(config.auth == AuthMode::keys_required);
}

TEST_CASE("a key in the file that is unknown is named with its nearest neighbour") {
  const ScratchDirectory scratch;
  const auto message = [&](const std::string& text) {
    return refusal({"--config", scratch.file(text)});
  };
  CHECK(holds(message("worker_threads = 2\n"), "'worker_threads'; did you mean 'worker-threads'?"));
  CHECK(holds(message("datadir = 2\n"), "did you mean 'data-dir'?"));
  CHECK(holds(message("[server]\nlisten = \"127.0.0.1:1\"\n"), "unknown key 'server.listen'"));
  CHECK(holds(message("workers = 1000\n"), "workers"));
  CHECK(holds(refusal({"--config", "/no/such.toml"}), "cannot read /no/such.toml"));
}

TEST_CASE("keys commands need the data directory only, before or after") {
  const auto create = parse({"keys", "create", "acme", "--name", "ci", "--data-dir", "/x"});
  REQUIRE(std::holds_alternative<Invocation>(create));
  const auto& invocation = std::get<Invocation>(create);
  REQUIRE(invocation.keys);
  CHECK(invocation.keys->action == KeysCommand::Action::create);
  CHECK(invocation.keys->subject == "acme");
  CHECK(invocation.keys->key_name == "ci");
  CHECK(invocation.config.data_dir == "/x");
  const auto list = parse({"--data-dir=/x", "keys", "list"});
  CHECK(std::get<Invocation>(list).keys->action == KeysCommand::Action::list);
  const auto revoke = parse({"keys", "revoke", "key_1"}, {{"GRAFT_DATA_DIR", "/x"}});
  CHECK(std::get<Invocation>(revoke).keys->action == KeysCommand::Action::revoke);
  CHECK(holds(refusal({"--data-dir=/x", "keys"}), "graftd"));
  CHECK(holds(refusal({"--data-dir=/x", "keys", "create"}), "customer"));
}

TEST_CASE("help shows an example, version the version") {
  const auto help = std::get<EarlyExit>(parse({"--help"}));
  CHECK(help.exit_code == 0);
  CHECK(holds(help.message, "GRAFT_DATA_DIR"));
  CHECK(holds(help.message, "graftd --data-dir ~/graft-data --backbone minilm="));
  CHECK(holds(std::get<EarlyExit>(parse({"--version"})).message, "1.2.3"));
}
