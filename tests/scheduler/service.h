// What the scheduler's tests stand on: a database and blobs in a scratch directory, a fake
// launcher, a customer with files and jobs, and a scheduler that can be thrown away and made again
// as by a restart.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "scheduler/run_directory.h"
#include "scheduler/scheduler.h"
#include "storage/adapters.h"
#include "storage/customers.h"
#include "storage/events.h"
#include "storage/files.h"
#include "storage/jobs.h"
#include "storage/runs.h"
#include "tests/support/fake_launcher.h"
#include "tests/support/scratch_directory.h"

namespace graft {

inline const std::string backbone_hash(64, 'b');

struct Service {
  ScratchDirectory scratch;
  Database database = Database::open(scratch / "graft.db");
  BlobStore blobs{scratch / "blobs"};
  FakeLauncher launcher;
  std::map<std::string, BackboneLocation> backbones{
      {"minilm", {scratch / "minilm", backbone_hash}}};
  SchedulerOptions options;
  std::int64_t now = 1'000'000;  // on the wall; the other clock runs beside it
  std::int64_t monotonic = 5'000;
  CustomerId customer = 0;
  std::unique_ptr<Scheduler> scheduler;

  Service() {
    options.runs_directory = scratch / "runs";
    options.cache_directory = scratch / "cache";
    options.program_version = "test";
    customer = ensure_customer(database, "acme", now).id;
    restart();
  }

  void restart() {
    scheduler = std::make_unique<Scheduler>(
        database, blobs, launcher,
        [this](const std::string& name) {
          const auto found = backbones.find(name);
          return found == backbones.end() ? std::nullopt : std::optional(found->second);
        },
        options);
    scheduler->recover({now, monotonic});
  }
  void tick(std::int64_t seconds_later = 0) {
    now += seconds_later;
    monotonic += seconds_later;
    scheduler->tick({now, monotonic});
  }

  File upload(const std::string& text) {
    return insert_file(database, {customer, blobs.put(text), "rows.jsonl", "fine-tune", {}}, now);
  }
  std::string submit(const std::string& task = "mood", Specification trial = {}) {
    NewJob job;
    job.customer = customer;
    job.task_name = task;
    job.model = "minilm";
    job.backbone_sha256 = backbone_hash;
    job.training_file = upload("{\"text\": \"good\", \"label\": \"yes\"}\n").id;
    trial.learning_rate = 0.001;
    trial.batch_size = 16;
    trial.n_epochs = 3;
    trial.max_length = 128;
    trial.warmup_ratio = 0.1;
    trial.validation_fraction = 0.1;
    trial.seed = 7;
    job.trials = {write_specification(trial)};
    return create_job(database, job, now).id;
  }
  // Submits a job and lets it be launched; returns its id, the run directory is launcher.last().
  std::string start_job(const std::string& task = "mood") {
    const std::string id = submit(task);
    tick();
    return id;
  }

  Job job(const std::string& id) { return find_job(database, customer, id).value(); }
  JobStatus status(const std::string& id) { return job(id).status; }

  // Oldest first.
  std::vector<Event> events(const std::string& id) {
    std::vector<Event> items = list_events(database, id, {std::nullopt, 1000}).items;
    return {items.rbegin(), items.rend()};
  }
  int count_events(const std::string& id, const std::string& part) {
    int count = 0;
    for (const Event& event : events(id)) {
      if (event.message.find(part) != std::string::npos) ++count;
    }
    return count;
  }

  static RunStarted started() {
    RunStarted record;
    record.pid = 4711;
    record.device = "cpu";
    record.processor = "Test CPU";
    record.threads = 2;
    return record;
  }
  static Progress progress(std::int64_t step) {
    Progress record;
    record.step = step;
    record.total_steps = 100;
    record.epoch = 1;
    record.train_loss = 1.0 / static_cast<double>(step);
    record.train_accuracy = 0.5;
    record.learning_rate = 0.001;
    record.tokens_per_second = 5000;
    record.eta_seconds = 30;
    record.trained_tokens = step * 100;
    return record;
  }
  static EpochEnded epoch_ended(int epoch, std::int64_t step) {
    EpochEnded record;
    record.epoch = epoch;
    record.step = step;
    record.metrics.set("train_loss", 0.25);
    record.metrics.set("train_accuracy", 0.75);
    record.metrics.set("valid_loss", 0.5);
    record.metrics.set("valid_accuracy", 0.875);
    record.metrics.set("valid_macro_f1", 0.8);
    record.best = true;
    return record;
  }
};

}  // namespace graft
