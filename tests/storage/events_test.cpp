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
