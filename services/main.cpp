// graftd: opens the data directory, starts the scheduler's thread and the HTTP server, and ends
// both in order. Exit status: 0 stopped as asked, 1 could not start or go on, 2 told something it
// does not understand.
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <memory>
#include <thread>

#include "scheduler/core_budget.h"
#include "services/auth.h"
#include "services/config.h"
#include "services/data_directory.h"
#include "services/http/server.h"
#include "services/http/static_files.h"
#include "services/logging.h"
#include "services/routes/routes.h"
#include "services/scheduler_loop.h"
#include "services/service_context.h"
#include "storage/customers.h"

namespace graft {
namespace {

constexpr int drain_seconds = 5;
constexpr int serve_grace_seconds = 2;
constexpr int stop_limit_seconds = 10;  // drain, tick and the prediction worker's end fit in

UnixTime now() {
  return std::time(nullptr);
}

std::string shown_time(UnixTime time) {
  char text[24];
  std::tm parts{};
  gmtime_r(&time, &parts);
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &parts);
  return text;
}

int run_keys_command(const Config& config, const KeysCommand& command) {
  DataDirectory::make(config.data_dir);
  Database database = Database::open(config.data_dir / "graft.db");
  switch (command.action) {
    case KeysCommand::Action::create: {
      const NewApiKey made = create_api_key(database, command.subject, now());
      std::fprintf(stderr, "Key %s of %s. It is shown this once:\n", made.key.id.c_str(),
                   command.subject.c_str());
      std::printf("%s\n", made.secret.c_str());
      return 0;
    }
    case KeysCommand::Action::list:
      std::printf("%-32s %-16s %-24s %-16s %s\n", "ID", "KEY", "CUSTOMER", "CREATED", "REVOKED");
      for (const ApiKey& key : list_api_keys(database)) {
        const std::string shown = key.prefix + "…";
        std::printf("%-32s %-16s %-24s %-16s %s\n", key.id.c_str(), shown.c_str(),
                    key.customer_name.c_str(), shown_time(key.created_at).c_str(),
                    key.revoked_at ? shown_time(*key.revoked_at).c_str() : "");
      }
      return 0;
    case KeysCommand::Action::revoke:
      if (revoke_api_key(database, command.subject, now())) return 0;
      std::fprintf(stderr, "graftd: no key %s that is not revoked; see graftd keys list\n",
                   command.subject.c_str());
      return 1;
  }
  return 1;
}

// Modification time of the weights: what /v1/models shows as `created`.
UnixTime weights_time(const std::filesystem::path& directory) {
  const auto files = backbone_weight_files(directory);
  struct stat status {};
  const bool found = !files.empty() && ::stat((directory / files.front()).c_str(), &status) == 0;
  return found ? status.st_mtime : 0;
}

std::vector<BackboneInfo> open_backbones(const Config& config) {
  std::vector<BackboneInfo> backbones;
  for (const BackboneOption& option : config.backbones) {
    try {
      backbones.push_back({option.name, option.directory, summarize_backbone(option.directory),
                           weights_time(option.directory)});
    } catch (const BackboneError& error) {
      throw std::runtime_error("--backbone " + option.name + ": " + error.what());
    }
    const BackboneSummary& summary = backbones.back().summary;
    spdlog::info("backbone {}: {} layers, {} wide, {}", option.name, summary.layers,
                 summary.hidden_size, summary.sha256);
  }
  return backbones;
}

FindBackbone finder(const std::vector<BackboneInfo>& backbones) {
  return [&backbones](const std::string& name) -> std::optional<BackboneLocation> {
    for (const BackboneInfo& backbone : backbones) {
      if (backbone.name == name)
        return BackboneLocation{backbone.directory, backbone.summary.sha256};
    }
    return std::nullopt;
  };
}

// Settles how many cores everything together gets and holds this process and all that it starts to
// them. Before other threads start: they inherit it.
CoreBudget take_cores(const Config& config) {
  const int processors = allowed_processors();
  const std::optional<double> quota = cgroup_cores();
  CoreBudget budget = plan_budget(config.cores, usable_cores(processors, quota));
  if (!budget.cut.empty()) {
    spdlog::warn("more was asked for ({}) than the budget has: it is {} cores", budget.cut,
                 budget.cores);
  }
  std::string held;
  if (budget.cores >= processors) {
    held = "all processors";
  } else if (!config.cores.cores && quota) {
    // Pinned, several containers would crowd the same processors.
    held = "held by the cgroup's quota";
  } else {
    try {
      held = "processors " + confine_to(budget.cores);
    } catch (const std::system_error& error) {
      spdlog::warn("cannot be held to {} processors: {}; only the numbers of threads are",
                   budget.cores, error.what());
      held = "not held to them";
    }
  }
  spdlog::info(
      "cores: {} ({}); at most {} trainings at the same time, of at most {} threads, together {}",
      budget.cores, held, budget.workers, budget.worker_threads, budget.cores);
  return budget;
}

SchedulerLoop::Options scheduler_options(const Config& config, const CoreBudget& budget,
                                         const DataDirectory& data) {
  SchedulerLoop::Options options;
  options.database = data.database();
  options.scheduler.runs_directory = data.runs();
  options.scheduler.cache_directory = data.cache();
  options.scheduler.cores = budget.cores;
  options.scheduler.workers = budget.workers;
  options.scheduler.worker_threads = budget.worker_threads;
  options.scheduler.device = config.device;
  options.scheduler.precision = config.precision;
  options.scheduler.program_version = GRAFT_VERSION;
  options.launcher.worker_program = config.worker_program;
  options.serve.worker_program = config.worker_program;
  options.serve.socket = data.predict_socket();
  options.serve.log = data.serve_log();
  // Predictions are short and somebody waits for them: all cores, before trainings, which are nice.
  options.serve.threads = budget.cores;
  options.serve.stop_grace_seconds = serve_grace_seconds;
  return options;
}

// Signals that ask to stop, and one for ourselves. Blocked before other threads start: they inherit
// the mask.
sigset_t block_stop_signals() {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&set, number);
  struct sigaction hang_up {};
  sigaction(SIGHUP, nullptr, &hang_up);
  if (hang_up.sa_handler != SIG_IGN) sigaddset(&set, SIGHUP);  // nohup means it
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return set;
}

// Waits for these signals on a thread of its own, so that stopping is ordinary code.
class StopWatcher {
 public:
  StopWatcher(const sigset_t& signals, std::function<void()> stop)
      : signals_(signals), stop_(std::move(stop)), thread_([this] { watch(); }) {}
  ~StopWatcher() {
    done_ = true;
    pthread_kill(thread_.native_handle(), SIGUSR1);
    thread_.join();
  }
  StopWatcher(const StopWatcher&) = delete;
  StopWatcher& operator=(const StopWatcher&) = delete;

 private:
  void watch() {
    int number = SIGUSR1;
    while (number == SIGUSR1) {
      sigwait(&signals_, &number);
      if (done_) return;
    }
    spdlog::info("stopping: {}", number == SIGINT ? "interrupted" : "terminated");
    stop_();
    do {
      const timespec limit{stop_limit_seconds, 0};
      number = sigtimedwait(&signals_, nullptr, &limit);
      if (done_) return;
    } while (number == SIGUSR1);
    // What is accepted is in the database; trainings go on by themselves.
    spdlog::error(number < 0 ? "something did not end in time" : "told twice: ending at once");
    std::_Exit(1);
  }

  const sigset_t signals_;
  const std::function<void()> stop_;
  std::atomic<bool> done_ = false;
  std::thread thread_;
};

ServerOptions server_options(const Config& config, PredictClient& predict) {
  ServerOptions options;
  options.address = config.listen_address;
  options.port = config.listen_port;
  options.handler_threads = static_cast<int>(std::max(8u, 2 * std::thread::hardware_concurrency()));
  options.drain_seconds = drain_seconds;
  options.access_log = [format = config.log_format](const AccessRecord& record) {
    log_access(record, format);
  };
  options.on_drain_expired = [&predict] { predict.stop(); };
  return options;
}

int serve(const Config& config) {
  const CoreBudget budget = take_cores(config);
  const sigset_t stop_signals = block_stop_signals();
  const DataDirectory data(config.data_dir);
  const BlobStore blobs(data.blobs());
  Database::open(data.database());  // migrates, or says why not, before anything runs
  const std::vector<BackboneInfo> backbones = open_backbones(config);
  if (::access(config.worker_program.c_str(), X_OK) != 0) {
    spdlog::warn("{} cannot be executed: jobs and predictions will fail; see --worker-program",
                 config.worker_program.string());
  }
  DatabasePool databases(data.database());
  PredictClient predict(data.predict_socket());
  std::unique_ptr<SchedulerLoop> scheduler;  // started when the port is ours
  const ServiceContext context{databases,
                               blobs,
                               backbones,
                               predict,
                               [&scheduler] { scheduler->poke(); },
                               now,
                               config.auth == AuthMode::keys_required,
                               GRAFT_VERSION,
                               [&scheduler] { return scheduler->machine(); }};
  const Authenticator authenticate = make_authenticator(context, config.auth);
  Router router;
  add_routes(router, context, authenticate);
  add_static_routes(router, embedded_files());
  Server server(server_options(config, predict), router, authenticate);
  const StopWatcher watcher(stop_signals, [&server] { server.stop(); });
  scheduler = std::make_unique<SchedulerLoop>(scheduler_options(config, budget, data), blobs,
                                              finder(backbones));
  std::printf("graftd ready at %s\n", base_url(config.listen_address, server.port()).c_str());
  std::fflush(stdout);
  server.run();
  scheduler->stop();
  spdlog::info("stopped");
  return 0;
}

int run(const std::vector<std::string>& arguments) {
  const auto program = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  const auto parsed = parse_invocation(arguments, process_environment(), program, GRAFT_VERSION);
  if (const auto* early = std::get_if<EarlyExit>(&parsed)) {
    std::fputs(early->message.c_str(), early->exit_code == 0 ? stdout : stderr);
    return early->exit_code;
  }
  const Invocation& invocation = std::get<Invocation>(parsed);
  set_up_logging(invocation.config.log_format);
  if (invocation.keys) return run_keys_command(invocation.config, *invocation.keys);
  return serve(invocation.config);
}

}  // namespace
}  // namespace graft

int main(int count, char** arguments) {
  try {
    return graft::run(std::vector<std::string>(arguments + 1, arguments + count));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "graftd: %s\n", error.what());
    return 1;
  }
}
