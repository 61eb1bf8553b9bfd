// Customers, keys, and that nobody sees what another customer has.
#include "storage/customers.h"

#include <doctest/doctest.h>

#include "storage/events.h"
#include "tests/storage/scratch.h"

using namespace graft;

TEST_CASE("a customer is made once and found by name afterwards") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme-2", noon);
  CHECK(acme.name == "acme-2");
  CHECK(ensure_customer(database, "acme-2", noon + 9).id == acme.id);
  CHECK(ensure_customer(database, "other", noon).id != acme.id);
  CHECK(ensure_customer(database, std::string(63, 'a'), noon).id > 0);
  const std::string too_long(64, 'a');
  for (const std::string& name :
       std::vector<std::string>{"", "-acme", "Acme", "a b", "a:b", "a/b", "é", too_long}) {
    CHECK_THROWS_AS(ensure_customer(database, name, noon), std::invalid_argument);
  }
}

TEST_CASE("a key is shown once, authenticates its customer, and is stored as a hash alone") {
  ScratchDatabase database;
  const NewApiKey made = create_api_key(database, "acme", noon);
  CHECK(made.secret.size() == 49);
  CHECK(made.secret.substr(0, 6) == "graft_");
  CHECK(made.secret.substr(0, made.key.prefix.size()) == made.key.prefix);
  CHECK(authenticate(database, made.secret, noon)->name == "acme");
  CHECK(create_api_key(database, "acme", noon).secret != made.secret);
  CHECK_FALSE(authenticate(database, "", noon).has_value());
  CHECK_FALSE(authenticate(database, made.secret.substr(0, 48), noon).has_value());
  CHECK_FALSE(authenticate(database, made.secret + "x", noon).has_value());
  CHECK_FALSE(authenticate(database, sha256_of_bytes(made.secret), noon).has_value());

  const auto keys = list_api_keys(database);
  REQUIRE(keys.size() == 2);
  CHECK(keys[0].key.id == made.key.id);
  CHECK(keys[0].key.customer_name == "acme");
  CHECK_FALSE(keys[0].key.revoked_at.has_value());
  Statement stored(
      database,
      "SELECT count(*) FROM api_keys WHERE instr(public_id || prefix || secret_sha256, ?)",
      made.secret.substr(14));
  stored.step();
  CHECK(stored.integer(0) == 0);
}

TEST_CASE("a revoked key opens nothing any more, and the others go on") {
  ScratchDatabase database;
  const NewApiKey first = create_api_key(database, "acme", noon);
  const NewApiKey second = create_api_key(database, "acme", noon);
  const NewApiKey third = create_api_key(database, "acme", noon);
  CHECK(revoke_api_key(database, first.key.id, noon + 1));
  CHECK(revoke_api_key(database, second.key.prefix, noon + 2));
  CHECK_FALSE(revoke_api_key(database, "key_nobody", noon));
  CHECK_FALSE(revoke_api_key(database, third.secret, noon));
  CHECK_FALSE(authenticate(database, first.secret, noon).has_value());
  CHECK_FALSE(authenticate(database, second.secret, noon).has_value());
  CHECK(authenticate(database, third.secret, noon).has_value());
  CHECK(revoke_api_key(database, first.key.id, noon + 9));
  CHECK(list_api_keys(database)[0].key.revoked_at == noon + 1);
}

TEST_CASE("a key tells its name and, to the minute, its last use, without a write a request") {
  ScratchDatabase database;
  const NewApiKey named = create_api_key(database, "acme", noon, "build server");
  create_api_key(database, "acme", noon);
  const auto last_use = [&] { return list_api_keys(database)[0].last_used_at; };
  const auto changes = [&] {
    Statement statement(database, "SELECT total_changes()");
    statement.step();
    return statement.integer(0);
  };
  CHECK(list_api_keys(database)[0].name == "build server");
  CHECK(list_api_keys(database)[1].name.empty());
  CHECK_FALSE(last_use().has_value());
  REQUIRE(authenticate(database, named.secret, noon + 5));
  CHECK(last_use() == noon + 5);
  const auto before = changes();
  REQUIRE(authenticate(database, named.secret, noon + 64));
  CHECK(changes() == before);
  REQUIRE(authenticate(database, named.secret, noon + 65));
  CHECK(last_use() == noon + 65);
  REQUIRE(authenticate(database, named.secret, noon));  // the clock was set back
  CHECK(last_use() == noon);
  CHECK_FALSE(list_api_keys(database)[1].last_used_at.has_value());
  REQUIRE(revoke_api_key(database, named.key.id, noon + 70));
  CHECK_FALSE(authenticate(database, named.secret, noon + 500));
  CHECK(last_use() == noon);
  for (const std::string& bad : {std::string(65, 'a'), std::string("a\nb"), std::string("\x1b[2J"),
                                 std::string(" a"), std::string("a ")})
    CHECK_THROWS_AS(create_api_key(database, "acme", noon, bad), std::invalid_argument);
}

TEST_CASE("a key opens a database that takes no writes") {
  ScratchDatabase database;
  const NewApiKey made = create_api_key(database, "acme", noon);
  execute(database.database.handle(), "PRAGMA query_only = 1");
  CHECK(authenticate(database, made.secret, noon + 5)->name == "acme");
}

TEST_CASE("the key that signs downloads is drawn once and stays") {
  ScratchDatabase database;
  const std::string key = download_signing_key(database);
  CHECK(key.size() == 32);
  CHECK(download_signing_key(database) == key);
  Database second = Database::open(database.directory / "graft.db");
  CHECK(download_signing_key(second) == key);
  ScratchDatabase other;
  CHECK(download_signing_key(other) != key);
}

TEST_CASE("no function for customers shows, counts or changes what another customer has") {
  ScratchDatabase database;
  const CustomerId acme = ensure_customer(database, "acme", noon).id;
  const CustomerId spy = ensure_customer(database, "spy", noon).id;
  const File file = a_file(database, acme);
  NewJob wanted = a_new_job(acme, file);
  wanted.metadata = {{"team", "a"}};
  wanted.idempotency_key = "once";
  const Job done = create_job(database, wanted, noon);
  enqueue_job(database, done.id, noon);
  const AdapterVersion version = publish_next(database);
  const Job queued = a_queued_job(database, acme);
  const Task task = find_task(database, acme, "mood").value();
  REQUIRE(set_alias(database, task, "live", 1, noon));
  // What the spy would need to guess: everything.
  Task forged = task;
  forged.customer = spy;

  CHECK_FALSE(find_file(database, spy, file.id, noon).has_value());
  CHECK(list_files(database, spy, {}, noon).items.empty());
  CHECK(list_files(database, spy, {.after = file.id, .ascending = true}, noon).items.empty());
  CHECK_FALSE(delete_file(database, spy, file.id, noon));
  CHECK(find_file(database, acme, file.id, noon).has_value());

  CHECK_FALSE(find_job(database, spy, done.id).has_value());
  CHECK(list_jobs(database, spy, {}).items.empty());
  CHECK(list_jobs(database, spy, {.metadata = {{"team", "a"}}}).items.empty());
  CHECK(list_jobs(database, spy, {.without_metadata = true}).items.empty());
  CHECK(list_jobs(database, spy, {.task_id = task.id}).items.empty());
  CHECK(cancel_job(database, spy, queued.id, noon) == CancelOutcome::not_found);
  CHECK(cancel_job(database, spy, done.id, noon) == CancelOutcome::not_found);
  CHECK(find_job(database, acme, queued.id)->status == JobStatus::queued);

  CHECK(list_tasks(database, spy, {}).items.empty());
  CHECK_FALSE(find_task(database, spy, "mood").has_value());
  CHECK_FALSE(find_task(database, spy, task.id).has_value());
  CHECK_FALSE(set_alias(database, forged, "live", 1, noon));
  CHECK_FALSE(find_alias(database, forged, "live").has_value());
  CHECK(list_aliases(database, forged).empty());
  CHECK(alias_history(database, forged, "live").empty());
  CHECK(alias_history(database, task, "live").size() == 1);

  CHECK_FALSE(find_version(database, forged, 1).has_value());
  CHECK(list_versions(database, forged, {}).items.empty());
  CHECK_FALSE(find_version_by_model(database, spy, version.model_id).has_value());
  CHECK(list_models(database, spy).items.empty());
  CHECK_FALSE(hide_version(database, spy, version.model_id, noon));
  CHECK_FALSE(find_version(database, task, 1)->hidden);

  NewJob theirs = wanted;
  theirs.customer = spy;
  CHECK_FALSE(find_recent_twin(database, theirs, 0).has_value());
  CHECK_THROWS_AS(create_job(database, theirs, noon), StorageError);
  theirs.training_file = a_file(database, spy).id;
  theirs.validation_file = file.id;
  theirs.idempotency_key = "";
  CHECK_THROWS_AS(create_job(database, theirs, noon), StorageError);

  // A cursor out of another customer's hands is no place in one's own listing.
  const Job own = a_queued_job(database, spy, "mood");
  CHECK(own.task_id != task.id);
  CHECK(list_jobs(database, spy, {.after = queued.id}).items.empty());
  CHECK(list_tasks(database, spy, {.after = task.id}).items.empty());
  CHECK(list_files(database, spy, {.after = file.id}, noon).items.empty());
}
