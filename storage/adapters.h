// Adapter versions: the registry. Rows are immutable by trigger; hiding a version is a row
// elsewhere.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/blob_store.h"
#include "storage/database.h"
#include "storage/records.h"

namespace graft {

struct NewAdapterVersion {
  std::string job_id, trial_id;
  std::string backbone_sha256;
  Blob bundle;
  std::string kind;  // of task
  std::vector<std::string> labels;
  std::string metrics;                // JSON text
  std::optional<std::string> report;  // JSON text; none without validation rows
  std::int64_t trained_tokens = 0;
  std::optional<Blob>
      result_file;  // CSV of the training curve; becomes a file of purpose fine-tune-results
};
// One transaction: the next version of the job's task, the result file's row, job running →
// succeeded, its events
// ("New fine-tuned model created: …", "Fine tuning job successfully completed").
// nullopt: the trial has ended (cancelled meanwhile); nothing is written. One that was paused or
// queued while its worker came to the end is published.
std::optional<AdapterVersion> publish_version(Database& database, const NewAdapterVersion& version,
                                              UnixTime now);

std::optional<AdapterVersion> find_version(Database& database, const Task& task, int number);
// Its report as it was published; nullopt: it has none.
std::optional<std::string> find_report(Database& database, const AdapterVersion& version);
struct VersionQuery {
  std::optional<std::string> after;  // version id
  int limit = 100;
};
// Newest first, hidden ones included.
Page<AdapterVersion> list_versions(Database& database, const Task& task, const VersionQuery& query);
std::optional<AdapterVersion> find_version_by_model(Database& database, CustomerId customer,
                                                    std::string_view model_id);  // hidden ones too
struct ModelQuery {
  std::optional<std::string> after;  // model id, hidden or not; none of the customer's: empty page
  int limit = 1000;
};
// Not hidden, newest first.
Page<AdapterVersion> list_models(Database& database, CustomerId customer,
                                 const ModelQuery& query = {});
// Hides it from models. False: not found or hidden already.
bool hide_version(Database& database, CustomerId customer, std::string_view model_id, UnixTime now);

}  // namespace graft
