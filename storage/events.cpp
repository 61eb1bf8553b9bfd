// See events.h.
#include "storage/events.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "storage/statement.h"
#include "trainer/durable/identifiers.h"
#include "trainer/durable/plain_text.h"

namespace graft {

std::string_view to_string(EventLevel level) {
  switch (level) {
    case EventLevel::info:
      return "info";
    case EventLevel::warn:
      return "warn";
    case EventLevel::error:
      return "error";
  }
  return "info";
}

namespace {

EventLevel parse_level(std::string_view text) {
  return text == "error" ? EventLevel::error : text == "warn" ? EventLevel::warn : EventLevel::info;
}

// An id says where its event stands within the job, so that it does so when the event is gone.
constexpr std::size_t job_prefix = std::string_view("ftjob-").size();

std::string id_prefix(std::string_view job_id) {
  return "ftevent-" + std::string(job_id.substr(std::min(job_prefix, job_id.size()))) + "-";
}

std::optional<std::int64_t> number_in_id(std::string_view job_id, std::string_view event_id) {
  const std::string prefix = id_prefix(job_id);
  if (!event_id.starts_with(prefix)) {
    return std::nullopt;
  }
  const std::string_view digits = event_id.substr(prefix.size());
  const auto number = whole_number(digits);
  const bool canonical = number && *number > 0 && std::to_string(*number) == digits;
  return canonical ? number : std::nullopt;
}

// Those that stay are like any other event from then on.
void keep_evenly_spaced(Database& database, std::int64_t job_row) {
  Statement passing(database,
                    "SELECT number FROM events WHERE job_id = ? AND passing = 1 ORDER BY number",
                    job_row);
  std::vector<std::int64_t> numbers;
  while (passing.step()) {
    numbers.push_back(passing.integer(0));
  }
  const std::size_t kept = std::min<std::size_t>(numbers.size(), passing_events_kept);
  for (std::size_t i = 0; i < kept; ++i) {
    const std::size_t place = kept == 1 ? 0 : i * (numbers.size() - 1) / (kept - 1);
    Statement(database, "UPDATE events SET passing = 0 WHERE job_id = ? AND number = ?", job_row,
              numbers[place])
        .run();
  }
}

}  // namespace

void insert_event(Database& database, const NewEvent& event, UnixTime now) {
  const std::optional<std::string> data =
      event.data.empty() ? std::nullopt : std::optional(event.data);
  const int rows =
      Statement(database,
                "INSERT INTO events (public_id, job_id, number, created_at, level, type, message, "
                "data, passing) SELECT ? || number, job, number, ?, ?, ?, ?, ?, ? FROM (SELECT "
                "j.id AS job, 1 + coalesce((SELECT max(number) FROM events WHERE job_id = j.id), "
                "0) AS number FROM jobs j WHERE j.public_id = ?)",
                id_prefix(event.job_id), now, to_string(event.level), event.type, event.message,
                data, event.passing, event.job_id)
          .run();
  if (rows != 1) {
    throw StorageError("an event for a job that is not there: " + event.job_id, false);
  }
}

std::optional<std::int64_t> event_number(Database& database, std::string_view job_id,
                                         std::string_view event_id) {
  if (const auto number = number_in_id(job_id, event_id)) {
    // The newest event of a job is never thinned out.
    Statement newest(database,
                     "SELECT max(e.number) FROM events e "
                     "WHERE e.job_id = (SELECT id FROM jobs WHERE public_id = ?)",
                     job_id);
    return newest.step() && *number <= newest.integer(0) ? number : std::nullopt;
  }
  Statement statement(database,
                      "SELECT e.number FROM events e CROSS JOIN jobs j ON j.id = e.job_id "
                      "WHERE e.public_id = ? AND j.public_id = ?",
                      event_id, job_id);
  return statement.step() ? std::optional(statement.integer(0)) : std::nullopt;
}

Page<Event> list_events(Database& database, std::string_view job_id, const EventQuery& query) {
  std::string sql =
      "SELECT e.public_id, j.public_id, e.created_at, e.level, e.type, e.message, e.data "
      "FROM jobs j CROSS JOIN events e ON e.job_id = j.id WHERE j.public_id = ? ";
  std::optional<std::int64_t> after;
  if (query.after) {
    after = event_number(database, job_id, *query.after);
    if (!after) {
      return {};
    }
    sql += "AND e.number < ? ";
  }
  Statement statement(database, sql + "ORDER BY e.number DESC LIMIT ?", job_id);
  if (after) {
    statement.bind(*after);
  }
  return read_page<Event>(statement, query.limit, [](const Statement& row) {
    return Event{row.text(0), row.text(1), row.integer(2), parse_level(row.text(3)),
                 row.text(4), row.text(5), row.text(6)};
  });
}

bool thin_events(Database& database, int most) {
  const auto next_job = [&]() -> std::optional<std::pair<std::int64_t, bool>> {
    Statement next(database,
                   "SELECT id, step_events = 'thinning' FROM jobs WHERE finished_at IS NOT NULL "
                   "AND step_events <> 'thinned' ORDER BY finished_at, id LIMIT 1");
    if (!next.step()) return std::nullopt;
    return std::pair(next.integer(0), next.integer(1) != 0);
  };
  if (!next_job()) {  // asked without the write lock: mostly so
    return false;
  }
  Transaction transaction(database);
  const auto next = next_job();
  if (!next) {
    return false;
  }
  const auto [job, chosen] = *next;
  std::string_view step_events = "thinning";
  if (!chosen) {
    keep_evenly_spaced(database, job);
  } else if (Statement(database,
                       "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE job_id = ? "
                       "AND passing = 1 ORDER BY number LIMIT ?)",
                       job, most)
                 .run() < most) {
    step_events = "thinned";
  }
  Statement(database, "UPDATE jobs SET step_events = ? WHERE id = ?", step_events, job).run();
  transaction.commit();
  return true;
}

}  // namespace graft
