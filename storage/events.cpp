// See events.h.
#include "storage/events.h"

#include "storage/statement.h"
#include "trainer/durable/identifiers.h"

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

}  // namespace

void insert_event(Database& database, const NewEvent& event, UnixTime now) {
  const std::optional<std::string> data =
      event.data.empty() ? std::nullopt : std::optional(event.data);
  const int rows =
      Statement(database,
                "INSERT INTO events (public_id, job_id, created_at, level, type, message, "
                "data) SELECT ?, id, ?, ?, ?, ?, ? FROM jobs WHERE public_id = ?",
                new_identifier("ftevent-"), now, to_string(event.level), event.type, event.message,
                data, event.job_id)
          .run();
  if (rows != 1) {
    throw StorageError("an event for a job that is not there: " + event.job_id, false);
  }
}

Page<Event> list_events(Database& database, std::string_view job_id, const EventQuery& query) {
  std::string sql =
      "SELECT e.public_id, j.public_id, e.created_at, e.level, e.type, e.message, e.data "
      "FROM jobs j CROSS JOIN events e ON e.job_id = j.id WHERE j.public_id = ? ";
  if (query.after) {
    sql += "AND e.id < (SELECT id FROM events WHERE public_id = ? AND job_id = j.id) ";
  }
  Statement statement(database, sql + "ORDER BY e.id DESC LIMIT ?", job_id);
  if (query.after) {
    statement.bind(*query.after);
  }
  return read_page<Event>(statement, query.limit, [](const Statement& row) {
    return Event{row.text(0), row.text(1), row.integer(2), parse_level(row.text(3)),
                 row.text(4), row.text(5), row.text(6)};
  });
}

}  // namespace graft
