// Events of jobs; newest first; a cursor means "strictly older than this id" and stays true while
// new events arrive and after its own event has been thinned out.
#pragma once

#include <cstdint>
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
  std::string data;      // JSON object as text; empty: null
  bool passing = false;  // one of many: once the job has ended, a few of them are enough
};
void insert_event(Database& database, const NewEvent& event,
                  UnixTime now);  // joins a caller's transaction

struct EventQuery {
  std::optional<std::string> after;
  int limit = 20;
};
Page<Event> list_events(Database& database, std::string_view job_id, const EventQuery& query);

// The place of an event within its job, counted from 1, also of one that has been thinned out.
// nullopt: the job never had it.
std::optional<std::int64_t> event_number(Database& database, std::string_view job_id,
                                         std::string_view event_id);

// Of an ended job's passing events so many stay, evenly spaced, the first and the last among them.
inline constexpr int passing_events_kept = 200;
// The next piece of that: chooses what stays of one job, or deletes up to `most` of the others.
// False: nothing was left to do.
bool thin_events(Database& database, int most = 1000);

}  // namespace graft
