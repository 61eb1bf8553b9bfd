// Events: append-only, newest first, with cursors that hold while more arrive.
#include "storage/events.h"

#include <doctest/doctest.h>

#include "tests/storage/scratch.h"

using namespace graft;

TEST_CASE("pages of events are newest first and miss or repeat nothing while events arrive") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  const Job job = a_queued_job(database, acme.id);
  const Job noise = a_queued_job(database, acme.id);
  for (int i = 0; i < 23; ++i) {
    insert_event(database, {.job_id = job.id, .message = "event " + std::to_string(i)}, noon);
    insert_event(database, {.job_id = noise.id, .message = "noise"}, noon);
  }
  std::vector<std::string> seen;
  EventQuery query{.limit = 5};
  for (bool more = true; more;) {
    const auto page = list_events(database, job.id, query);
    for (const Event& event : page.items) {
      CHECK(event.job_id == job.id);
      seen.push_back(event.message);
    }
    query.after = page.items.back().id;
    more = page.has_more;
    insert_event(database, {.job_id = job.id, .message = "arrived meanwhile"}, noon);
  }
  REQUIRE(seen.size() == 25);
  for (std::size_t i = 0; i < 23; ++i) {
    CHECK(seen[i] == "event " + std::to_string(22 - i));
  }
  CHECK(seen[24] == "Created fine-tuning job: " + job.id);
}

TEST_CASE("a cursor of another job, or of none, gives an empty page") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  const Job job = a_queued_job(database, acme.id);
  const Job other = a_queued_job(database, acme.id);
  const std::string foreign = list_events(database, other.id, {}).items[0].id;
  CHECK(list_events(database, job.id, {.after = foreign}).items.empty());
  CHECK(list_events(database, job.id, {.after = "ftevent-nobody"}).items.empty());
  CHECK(list_events(database, "ftjob-nobody", {}).items.empty());
  const auto nothing = list_events(database, job.id, {.limit = 0});
  CHECK(nothing.items.empty());
  CHECK(nothing.has_more);
}

TEST_CASE("an event keeps its level, type, time, words of any script and data") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  const Job job = a_queued_job(database, acme.id);
  const std::string words("Größe 大きさ 😀 with a \0 inside", 38);
  insert_event(database,
               {.job_id = job.id,
                .level = EventLevel::warn,
                .type = "metrics",
                .message = words,
                .data = R"({"step":1})"},
               noon + 3);
  const Event event = list_events(database, job.id, {.limit = 1}).items[0];
  CHECK(event.id.substr(0, 8) == "ftevent-");
  CHECK(event.created_at == noon + 3);
  CHECK(event.level == EventLevel::warn);
  CHECK(event.type == "metrics");
  CHECK(event.message == words);
  CHECK(event.data == R"({"step":1})");
  CHECK(list_events(database, job.id, {.limit = 2}).items[1].data == "");
}

TEST_CASE("events of no job, of no known type or with broken data are refused") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  const Job job = a_queued_job(database, acme.id);
  CHECK_THROWS_AS(insert_event(database, {.job_id = "ftjob-nobody"}, noon), StorageError);
  CHECK_THROWS_AS(insert_event(database, {.job_id = job.id, .type = "rumour"}, noon), StorageError);
  CHECK_THROWS_AS(insert_event(database, {.job_id = job.id, .data = "{"}, noon), StorageError);
}

namespace {

// The steps of a job under way, between messages, up to `steps`.
Job a_job_of_steps(Database& database, int steps) {
  const Customer acme = ensure_customer(database, "acme", noon);
  const Job job = a_queued_job(database, acme.id);
  claim_next_job(database, noon).value();
  for (int step = 1; step <= steps; ++step) {
    insert_event(database,
                 {.job_id = job.id,
                  .type = "metrics",
                  .message = "Step " + std::to_string(step),
                  .passing = true},
                 noon);
    if (step % 500 == 0) {
      insert_event(database, {.job_id = job.id, .type = "metrics", .message = "Epoch ended"}, noon);
      insert_event(database, {.job_id = job.id, .level = EventLevel::warn, .message = "A warning"},
                   noon);
    }
  }
  return job;
}

std::vector<Event> all_events(Database& database, const Job& job) {
  return list_events(database, job.id, {.limit = 100'000}).items;
}

// The step of each event that is one's, oldest first.
std::vector<int> steps_of(const std::vector<Event>& events) {
  std::vector<int> steps;
  for (auto event = events.rbegin(); event != events.rend(); ++event) {
    if (event->message.starts_with("Step ")) steps.push_back(std::stoi(event->message.substr(5)));
  }
  return steps;
}

}  // namespace

TEST_CASE("of an ended job's steps 200 stay, evenly spaced, and every other event does") {
  ScratchDatabase database;
  const Job job = a_job_of_steps(database, 5000);
  while (thin_events(database)) {
  }
  CHECK(all_events(database, job).size() > 5000);  // it runs: all are there

  REQUIRE(cancel_job(database, job.customer, job.id, noon) == CancelOutcome::cancelled);
  const std::vector<Event> before = all_events(database, job);
  int pieces = 0;
  while (thin_events(database)) ++pieces;
  CHECK(pieces >= 6);  // each piece holds others up for a moment only
  const std::vector<Event> after = all_events(database, job);
  const std::vector<int> steps = steps_of(after);
  REQUIRE(steps.size() == passing_events_kept);
  CHECK(steps.front() == 1);
  CHECK(steps.back() == 5000);
  for (std::size_t i = 1; i < steps.size(); ++i) {
    CHECK(steps[i] - steps[i - 1] >= 25);
    CHECK(steps[i] - steps[i - 1] <= 26);
  }
  CHECK(after.size() - steps.size() == before.size() - 5000);
  CHECK_FALSE(thin_events(database));
}

TEST_CASE("up to 200 steps of an ended job all stay") {
  for (const int count : {0, 1, 2, passing_events_kept}) {
    ScratchDatabase database;
    const Job job = a_job_of_steps(database, count);
    cancel_job(database, job.customer, job.id, noon);
    while (thin_events(database)) {
    }
    CHECK(steps_of(all_events(database, job)).size() == static_cast<std::size_t>(count));
  }
}

TEST_CASE("a cursor that names a thinned event goes on from where it stood") {
  ScratchDatabase database;
  const Job job = a_job_of_steps(database, 1000);
  cancel_job(database, job.customer, job.id, noon);
  const std::vector<Event> before = all_events(database, job);
  while (thin_events(database)) {
  }
  const std::vector<Event> after = all_events(database, job);
  REQUIRE(after.size() < before.size());
  std::size_t left = after.size();  // of `after`, older than the cursor
  for (const Event& cursor : before) {
    CHECK(event_number(database, job.id, cursor.id));
    if (left > 0 && after[after.size() - left].id == cursor.id) --left;
    const auto page = list_events(database, job.id, {.after = cursor.id, .limit = 1});
    REQUIRE(page.items.empty() == (left == 0));
    if (left > 0) CHECK(page.items[0].id == after[after.size() - left].id);
  }
}

TEST_CASE("an id that a job never had is no cursor, however much it looks like one") {
  ScratchDatabase database;
  const Job job = a_job_of_steps(database, 1);
  const Job other = a_queued_job(database, job.customer);
  const std::string newest = list_events(database, job.id, {.limit = 1}).items[0].id;
  const std::string stem = newest.substr(0, newest.rfind('-') + 1);
  for (const std::string& id : {stem + "0", stem + "99", stem + "-1", stem + "01", stem + "1x",
                                stem, list_events(database, other.id, {}).items[0].id}) {
    CAPTURE(id);
    CHECK_FALSE(event_number(database, job.id, id));
    CHECK(list_events(database, job.id, {.after = id}).items.empty());
  }
}
