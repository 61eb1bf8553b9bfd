// Runs: one worker process each, and the trials in its lanes. For the scheduler alone.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/database.h"
#include "storage/records.h"

namespace graft {

struct ClaimRule {
  bool quiet = false;  // no event, because it only tries whether a worker starts again
  // More than one: the next queued jobs on the same backbone join the oldest one, whoever owns
  // them. Only trials that have not begun yet share a run: one that fell is tried alone, so that
  // its fault is nobody else's, and checkpoints of several runs need not agree.
  int most_jobs = 1;
};
// Takes the trials of the oldest queued job that are due: queued → running, attempts + 1, a run in
// `launching` with them as its lanes. A trial whose earlier run has not ended yet is not due.
// nullopt: nothing is.
std::optional<Run> claim_next_job(Database& database, UnixTime now, const ClaimRule& rule = {});

// Whether any trial is in the queue, due or not.
bool any_trial_waits(Database& database);

std::vector<Run> list_active_runs(Database& database);  // launching and running, oldest first
std::vector<RunLane> list_lanes(Database& database, std::string_view run_id);
void mark_run_running(Database& database, std::string_view run_id);
void end_run(Database& database, std::string_view run_id, std::string_view outcome, UnixTime now);

// Inside a Transaction of the caller: how far records.jsonl is taken in.
void set_records_offset(Database& database, std::string_view run_id, std::int64_t offset);

}  // namespace graft
