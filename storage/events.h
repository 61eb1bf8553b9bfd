// Events of jobs, append-only; newest first; a cursor means "strictly older than this id" and stays
// true while new events arrive.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "storage/database.h"
#include "storage/records.h"

namespace graft {

struct NewEvent {
  std::string job_id;
  EventLevel level = EventLevel::info;
  std::string type = "message";
  std::string message;
  std::string data;  // JSON object as text; empty: null
};
void insert_event(Database& database, const NewEvent& event,
                  UnixTime now);  // joins a caller's transaction

struct EventQuery {
  std::optional<std::string> after;
  int limit = 20;
};
Page<Event> list_events(Database& database, std::string_view job_id, const EventQuery& query);

}  // namespace graft
