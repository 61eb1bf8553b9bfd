// See files.h.
#include "storage/files.h"

#include <algorithm>

#include "storage/statement.h"
#include "trainer/durable/identifiers.h"

namespace graft {
namespace {

const std::string file_columns =
    "SELECT public_id, customer_id, sha256, bytes, filename, purpose, created_at, expires_at "
    "FROM files ";

File read_file(const Statement& statement) {
  return {.id = statement.text(0),
          .customer = statement.integer(1),
          .sha256 = statement.text(2),
          .bytes = statement.integer(3),
          .filename = statement.text(4),
          .purpose = statement.text(5),
          .created_at = statement.integer(6),
          .expires_at = statement.optional_integer(7)};
}

}  // namespace

File insert_file(Database& database, const NewFile& file, UnixTime now) {
  File made{.id = new_identifier("file-"),
            .customer = file.customer,
            .sha256 = file.blob.sha256,
            .bytes = file.blob.bytes,
            .filename = file.filename,
            .purpose = file.purpose,
            .created_at = now,
            .expires_at = file.expires_at};
  Statement(
      database,
      "INSERT INTO files (public_id, customer_id, sha256, bytes, filename, purpose, created_at, "
      "expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      made.id, made.customer, made.sha256, made.bytes, made.filename, made.purpose, now,
      made.expires_at)
      .run();
  return made;
}

std::optional<File> find_file(Database& database, CustomerId customer, std::string_view id,
                              UnixTime now) {
  Statement statement(database,
                      file_columns +
                          "WHERE public_id = ? AND customer_id = ? AND deleted_at IS NULL "
                          "AND (expires_at IS NULL OR expires_at > ?)",
                      id, customer, now);
  return statement.step() ? std::optional(read_file(statement)) : std::nullopt;
}

std::optional<File> find_file_of_any_customer(Database& database, std::string_view id) {
  Statement statement(database, file_columns + "WHERE public_id = ?", id);
  return statement.step() ? std::optional(read_file(statement)) : std::nullopt;
}

Page<File> list_files(Database& database, CustomerId customer, const FileQuery& query,
                      UnixTime now) {
  std::string sql = file_columns +
                    "WHERE customer_id = ? AND deleted_at IS NULL "
                    "AND (expires_at IS NULL OR expires_at > ?) ";
  if (query.purpose) {
    sql += "AND purpose = ? ";
  }
  if (query.after) {
    // The row of a cursor may have been deleted since: it still says where the page before ended.
    sql += query.ascending ? "AND id > " : "AND id < ";
    sql += "(SELECT id FROM files WHERE public_id = ? AND customer_id = ?) ";
  }
  sql += query.ascending ? "ORDER BY id ASC LIMIT ?" : "ORDER BY id DESC LIMIT ?";
  Statement statement(database, sql, customer, now);
  if (query.purpose) {
    statement.bind(*query.purpose);
  }
  if (query.after) {
    statement.bind(*query.after);
    statement.bind(customer);
  }
  return read_page<File>(statement, query.limit, read_file);
}

bool delete_file(Database& database, CustomerId customer, std::string_view id, UnixTime now) {
  return Statement(database,
                   "UPDATE files SET deleted_at = ? WHERE public_id = ? AND customer_id = ? "
                   "AND deleted_at IS NULL AND (expires_at IS NULL OR expires_at > ?)",
                   now, id, customer, now)
             .run() > 0;
}

bool is_blob_referenced(Database& database, std::string_view sha256, UnixTime now) {
  Statement statement(
      database,
      "SELECT EXISTS (SELECT 1 FROM adapter_versions WHERE bundle_sha256 = ?1) "
      "OR EXISTS (SELECT 1 FROM files WHERE sha256 = ?1 AND deleted_at IS NULL "
      "           AND (expires_at IS NULL OR expires_at > ?2)) "
      "OR EXISTS (SELECT 1 FROM files f CROSS JOIN jobs j ON j.training_file_id = f.id "
      "           WHERE f.sha256 = ?1 AND j.finished_at IS NULL) "
      "OR EXISTS (SELECT 1 FROM files f CROSS JOIN jobs j ON j.validation_file_id = f.id "
      "           WHERE f.sha256 = ?1 AND j.finished_at IS NULL) "
      "OR EXISTS (SELECT 1 FROM trials WHERE checkpoint_sha256 = ?1)",
      sha256, now);
  statement.step();
  return statement.integer(0) != 0;
}

}  // namespace graft
