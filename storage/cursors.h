// Whether an id is an item of a listing, for `after`; of events: event_number. Rows that a customer
// deleted still count: they say where the page before ended. A Database belongs to one thread at a
// time.
#pragma once

#include <string_view>

#include "storage/records.h"

namespace graft {

class Database;

enum class CustomerListing { files, jobs, tasks };
bool is_cursor(Database& database, CustomerListing listing, CustomerId customer,
               std::string_view id);

// Below a job, or below a task (versions): `owner` is its id.
enum class InnerListing { checkpoints, versions };
bool is_cursor(Database& database, InnerListing listing, std::string_view owner,
               std::string_view id);

}  // namespace graft
