// graftd: opens the data directory, starts the scheduler's thread and the HTTP server, and ends
// both in order. Exit status: 0 stopped as asked, 1 could not start or go on, 2 told something it
// does not understand.
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <memory>
#include <thread>

#include "scheduler/backbone_check.h"
#include "scheduler/core_budget.h"
#include "scheduler/processor_claim.h"
#include "services/auth.h"
#include "services/config.h"
#include "services/data_directory.h"
#include "services/http/server.h"
#include "services/http/static_files.h"
#include "services/keys_command.h"
#include "services/logging.h"
#include "services/routes/routes.h"
#include "services/scheduler_loop.h"
#include "services/service_context.h"
#include "services/wire/answers.h"

namespace graft {
namespace {

constexpr int drain_seconds = 5;
constexpr int serve_grace_seconds = 2;
constexpr int stop_limit_seconds = 10;  // drain, tick and the prediction worker's end fit in

UnixTime now() {
  return std::time(nullptr);
}

// Modification time of the weights: what /v1/models shows as `created`.
UnixTime weights_time(const std::filesystem::path& directory) {
  const auto files = backbone_weight_files(directory);
  struct stat status {};
  const bool found = !files.empty() && ::stat((directory / files.front()).c_str(), &status) == 0;
  return found ? status.st_mtime : 0;
}

// Asks the worker program, which alone can open weights and tokenizer. An unfit backbone ends the
// start; a program that cannot answer does not: the daemon still serves all that needs no worker.
void check_with_worker(const Config& config, const BackboneOption& option,
                       const DataDirectory& data) {
  const BackboneCheck check =
      check_backbone(config.worker_program, option.directory, data.check_log());
  if (check.outcome == BackboneCheck::Outcome::refused)
    throw std::runtime_error("--backbone " + option.name + ": " + check.reason);
  if (check.outcome == BackboneCheck::Outcome::not_checked)
    spdlog::warn(
        "backbone {} is not checked: {} {}; jobs and predictions need this program, see "
        "--worker-program",
        option.name, config.worker_program.string(), check.reason);
}

std::vector<BackboneInfo> open_backbones(const Config& config, const DataDirectory& data) {
  std::vector<BackboneInfo> backbones;
  for (const BackboneOption& option : config.backbones) {
    try {
      backbones.push_back({option.name, option.directory, summarize_backbone(option.directory),
                           weights_time(option.directory)});
    } catch (const BackboneError& error) {
      throw std::runtime_error("--backbone " + option.name + ": " + error.what());
    }
    check_with_worker(config, option, data);
    const BackboneSummary& summary = backbones.back().summary;
    spdlog::info("backbone {}: {} layers, {} wide, {}", option.name, summary.layers,
                 summary.hidden_size, summary.sha256.substr(0, 12));
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

// The cores of everything together, and what keeps this process and all that it starts to them.
struct TakenCores {
  CoreBudget budget;
  std::unique_ptr<ProcessorClaim> claim;  // held while the daemon lives; none: no processor is ours
};

// Before other threads start: they inherit it.
TakenCores take_cores(const Config& config) {
  const CgroupGrant grant = cgroup_grant();
  const std::vector<int> processors = granted_processors(allowed_processors(), grant);
  const int count = static_cast<int>(processors.size());
  TakenCores taken{plan_budget(config.cores, usable_cores(count, grant.cores)), nullptr};
  const CoreBudget& budget = taken.budget;
  if (!budget.cut.empty()) {
    spdlog::warn("more was asked for ({}) than the budget has: it is {} cores", budget.cut,
                 budget.cores);
  }
  std::string held;
  if (budget.cores >= count) {
    held = "all processors";
  } else if (!config.cores.cores && grant.cores) {
    // Pinned, several containers would crowd the same processors.
    held = "held by the cgroup's quota";
  } else {
    taken.claim =
        std::make_unique<ProcessorClaim>(shared_claims_directory(), processors, budget.cores);
    if (!taken.claim->note().empty())
      spdlog::warn("processors are not agreed with other graftd: {}", taken.claim->note());
    try {
      confine_to(taken.claim->processors());
      held = "processors " + describe_processors(taken.claim->processors());
      if (taken.claim->others() > 0)
        held += ", beside " + std::to_string(taken.claim->others()) + " other graftd";
    } catch (const std::system_error& error) {
      spdlog::warn("cannot be held to {} processors: {}; only the numbers of threads are",
                   budget.cores, error.what());
      held = "not held to them";
      taken.claim.reset();
    }
  }
  spdlog::info("cores: {} ({}); at most {} trainings, of at most {} threads", budget.cores, held,
               budget.workers, budget.worker_threads);
  return taken;
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
  options.scheduler.jobs_per_run = config.jobs_per_run;
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
    // Supervisors signal a process and its group: what comes at once again was not said twice.
    const auto asked = std::chrono::steady_clock::now();
    const auto at_once = [&] {
      return std::chrono::steady_clock::now() - asked < std::chrono::seconds(1);
    };
    do {
      const timespec limit{stop_limit_seconds, 0};
      number = sigtimedwait(&signals_, nullptr, &limit);
      if (done_) return;
    } while (number == SIGUSR1 || (number > 0 && at_once()));
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
  options.connection_limit = config.connections;
  options.connections_per_address =
      config.connections_per_address.value_or(std::max(1, config.connections / 4));
  options.access_log = [format = config.log_format](const AccessRecord& record) {
    log_access(record, format);
  };
  options.on_drain_expired = [&predict] { predict.stop(); };
  options.refusal_body = [](const HttpError& error) { return write_error(error); };
  options.refusal_of = refusal_of;
  return options;
}

int serve(const Config& config) {
  const TakenCores cores = take_cores(config);
  const sigset_t stop_signals = block_stop_signals();
  const DataDirectory data(config.data_dir);
  data.refuse_lost_database();
  const BlobStore blobs(data.blobs());
  DiskReserve reserve(data.reserve());
  Database::open(data.database());  // migrates, or says why not, before anything runs
  const std::vector<BackboneInfo> backbones = open_backbones(config, data);
  DatabasePool databases(data.database());
  PredictClient predict(data.predict_socket());
  std::unique_ptr<SchedulerLoop> scheduler;  // started when the port is ours
  const ServiceContext context{databases,     blobs,
                               reserve,       backbones,
                               predict,       [&scheduler] { scheduler->poke(); },
                               now,           config.auth == AuthMode::keys_required,
                               GRAFT_VERSION, [&scheduler] { return scheduler->machine(); }};
  const Authenticator authenticate = make_authenticator(context, config.auth);
  Router router;
  add_routes(router, context, authenticate);
  add_static_routes(router, embedded_files());
  Server server(server_options(config, predict), router, authenticate);
  const StopWatcher watcher(stop_signals, [&server] { server.stop(); });
  scheduler = std::make_unique<SchedulerLoop>(scheduler_options(config, cores.budget, data), blobs,
                                              finder(backbones));
  predict.on_silence([&scheduler](auto since) { scheduler->report_silence(since); });
  const std::string url = base_url(config.listen_address, server.port());
  spdlog::info("graftd {} ready at {}", GRAFT_VERSION, url);
  std::printf("graftd ready at %s\n", url.c_str());
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
  set_up_logging(invocation.config.log_format, invocation.config.log_level);
  if (invocation.keys) return run_keys_command(invocation.config.data_dir, *invocation.keys);
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
