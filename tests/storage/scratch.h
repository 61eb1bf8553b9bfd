// What every test of this room needs: a directory that goes with the test, a database in it, and
// rows to begin with.
#pragma once

#include <string>

#include "storage/adapters.h"
#include "storage/customers.h"
#include "storage/files.h"
#include "storage/jobs.h"
#include "storage/runs.h"
#include "storage/statement.h"
#include "storage/tasks.h"
#include "tests/support/scratch_directory.h"
#include "trainer/durable/sha256.h"

namespace graft {

struct ScratchDatabase {
  ScratchDirectory directory;
  Database database = Database::open(directory / "graft.db");
  operator Database&() { return database; }
};

constexpr UnixTime noon = 1'790'000'000;

inline Blob blob_of(const std::string& bytes) {
  return {sha256_of_bytes(bytes), static_cast<std::int64_t>(bytes.size())};
}

inline File a_file(Database& database, CustomerId customer, const std::string& bytes = "rows",
                   UnixTime now = noon) {
  return insert_file(database,
                     {.customer = customer,
                      .blob = blob_of(bytes),
                      .filename = "train.jsonl",
                      .purpose = "fine-tune"},
                     now);
}

inline std::string a_trial(int seed = 7) {
  return R"({"size":48,"seed":)" + std::to_string(seed) + "}";
}

inline NewJob a_new_job(CustomerId customer, const File& file, const std::string& task = "mood") {
  return {.customer = customer,
          .task_name = task,
          .model = "minilm",
          .backbone_sha256 = sha256_of_bytes("backbone"),
          .training_file = file.id,
          .suffix = "s1",
          .seed = 7,
          .trials = {a_trial()}};
}

inline Job a_queued_job(Database& database, CustomerId customer, const std::string& task = "mood",
                        UnixTime now = noon) {
  const Job job = create_job(database, a_new_job(customer, a_file(database, customer), task), now);
  enqueue_job(database, job.id, now);
  return find_job(database, customer, job.id).value();
}

// Takes the job at the head of the queue as far as a published version.
inline AdapterVersion publish_next(Database& database, UnixTime now = noon) {
  const Run run = claim_next_job(database, now).value();
  const RunLane lane = list_lanes(database, run.id).at(0);
  const AdapterVersion version = publish_version(database,
                                                 {.job_id = lane.job.id,
                                                  .trial_id = lane.trial.id,
                                                  .backbone_sha256 = lane.job.backbone_sha256,
                                                  .bundle = blob_of("bundle of " + lane.job.id),
                                                  .labels = {"negative", "positive"},
                                                  .metrics = R"({"valid_accuracy":0.5})",
                                                  .trained_tokens = 1234,
                                                  .result_file = blob_of("step,train_loss\n")},
                                                 now)
                                     .value();
  end_run(database, run.id, "finished", now);
  return version;
}

}  // namespace graft
