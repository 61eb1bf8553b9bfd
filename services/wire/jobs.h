// Jobs, events and checkpoints on the wire: the contract's fine_tuning.job and our extra members of
// it. No state: any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/wire/backbones.h"
#include "storage/records.h"
#include "trainer/contract/specification.h"

namespace graft {

// A checked body of POST /v1/fine_tuning/jobs; files are not looked up yet.
struct JobRequest {
  const BackboneInfo* backbone = nullptr;
  std::string training_file;
  std::optional<std::string> validation_file;
  std::optional<std::string> suffix;
  std::string task;  // as given, or made of the suffix; empty: neither was given
  bool seed_given = false;
  std::map<std::string, std::string> metadata;
  double learning_rate_multiplier = 1;
  Specification config;  // every value resolved, its seed random where none was given
};

// HttpError 400 that names the first mistake and lists the others; param is the path of the first.
JobRequest parse_job_request(std::string_view body, const std::vector<BackboneInfo>& backbones);

// Why a job waits that could run: the machine cannot train.
struct Held {
  std::string code;
  UnixTime since = 0;
};

struct JobWithConfig {
  Job job;
  Specification config;  // of its first trial
  std::optional<Held> held;
};
std::string write_job(const JobWithConfig& job);
std::string write_job_list(const std::vector<JobWithConfig>& jobs, bool has_more);

std::string write_event_list(const Page<Event>& page);
std::string write_checkpoint_list(const Page<Checkpoint>& page, const Job& job);

}  // namespace graft
