// See cursors.h.
#include "storage/cursors.h"

#include "storage/statement.h"

namespace graft {
namespace {

const char* sql_of(CustomerListing listing) {
  switch (listing) {
    case CustomerListing::files:
      return "SELECT 1 FROM files WHERE public_id = ? AND customer_id = ?";
    case CustomerListing::jobs:
      return "SELECT 1 FROM jobs WHERE public_id = ? AND customer_id = ?";
    case CustomerListing::tasks:
      return "SELECT 1 FROM tasks WHERE public_id = ? AND customer_id = ?";
  }
  return "";
}

const char* sql_of(InnerListing listing) {
  switch (listing) {
    case InnerListing::checkpoints:
      return "SELECT 1 FROM checkpoints k CROSS JOIN jobs j ON j.id = k.job_id "
             "WHERE k.public_id = ? AND j.public_id = ?";
    case InnerListing::versions:
      return "SELECT 1 FROM adapter_versions v CROSS JOIN tasks t ON t.id = v.task_id "
             "WHERE v.public_id = ? AND t.public_id = ?";
  }
  return "";
}

}  // namespace

bool is_cursor(Database& database, CustomerListing listing, CustomerId customer,
               std::string_view id) {
  Statement statement(database, sql_of(listing), id, customer);
  return statement.step();
}

bool is_cursor(Database& database, InnerListing listing, std::string_view owner,
               std::string_view id) {
  Statement statement(database, sql_of(listing), id, owner);
  return statement.step();
}

}  // namespace graft
