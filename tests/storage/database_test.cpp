// The database as a whole: migrations, several connections, and what a killed process leaves.
#include "storage/database.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <latch>
#include <set>
#include <thread>

#include "storage/events.h"
#include "storage/migrate.h"
#include "tests/storage/scratch.h"

using namespace graft;

namespace {

std::int64_t number(Database& database, const std::string& sql) {
  Statement statement(database, sql);
  statement.step();
  return statement.integer(0);
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const StorageError& error) {
    return error.what();
  }
  return "";
}

// A child process that runs `action` with the writing end of a pipe; the test reads the other end.
class Child {
 public:
  explicit Child(const std::function<void(int)>& action) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      ::close(ends[0]);
      try {
        action(ends[1]);
      } catch (...) {
      }
      ::_exit(0);
    }
    ::close(ends[1]);
    pipe_ = ends[0];
  }
  ~Child() {
    kill_it();
    ::close(pipe_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Blocks until the child has written as much.
  std::string read(std::size_t size) {
    std::string text(size, '\0');
    std::size_t got = 0;
    while (got < size) {
      const ssize_t more = ::read(pipe_, text.data() + got, size - got);
      if (more <= 0) {
        break;
      }
      got += static_cast<std::size_t>(more);
    }
    text.resize(got);
    return text;
  }
  void kill_it() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
      pid_ = -1;
    }
  }

 private:
  pid_t pid_ = -1;
  int pipe_ = -1;
};

void tell(int pipe, std::string_view text) {
  if (::write(pipe, text.data(), text.size()) < 0) {
    ::_exit(1);
  }
}

}  // namespace

TEST_CASE("a new database has the newest schema, its safety settings and no rights for others") {
  ScratchDatabase database;
  CHECK(number(database, "PRAGMA user_version") == embedded_migrations().back().number);
  CHECK(number(database, "PRAGMA foreign_keys") == 1);
  CHECK(number(database, "PRAGMA synchronous") == 2);
  CHECK(number(database, "PRAGMA recursive_triggers") == 1);
  CHECK(Statement(database, "PRAGMA journal_mode").step());
  using std::filesystem::perms;
  for (const char* name : {"graft.db", "graft.db-wal", "graft.db-shm"}) {
    const perms rights = std::filesystem::status(database.directory / name).permissions();
    CHECK((rights & (perms::group_all | perms::others_all)) == perms::none);
  }
  CHECK(number(database,
               "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE "
               "'sqlite_%' AND sql NOT LIKE '%STRICT%'") == 0);
}

TEST_CASE("opening a database again keeps its rows") {
  ScratchDirectory directory;
  {
    Database database = Database::open(directory / "graft.db");
    ensure_customer(database, "acme", noon);
  }
  Database database = Database::open(directory / "graft.db");
  CHECK(ensure_customer(database, "acme", noon + 1).created_at == noon);
}

TEST_CASE("a newer schema is refused with the way out") {
  ScratchDatabase database;
  execute(database.database.handle(), "PRAGMA user_version = 999");
  const std::string error = error_of([&] { Database::open(database.directory / "graft.db"); });
  CHECK(error.find("has schema 999, made by a newer Graft") != std::string::npos);
  CHECK(error.find("start the newer program, or restore a backup") != std::string::npos);
}

TEST_CASE("what is not a database, and a directory that is not there, are refused by name") {
  ScratchDirectory directory;
  FILE* file = std::fopen((directory / "graft.db").c_str(), "w");
  for (int i = 0; i < 1000; ++i) {
    std::fputs("not a database ", file);
  }
  std::fclose(file);
  CHECK(error_of([&] { Database::open(directory / "graft.db"); }).find("graft.db") !=
        std::string::npos);
  CHECK(error_of([&] {
          Database::open(directory / "nowhere" / "graft.db");
        }).find("No such file") != std::string::npos);
}

TEST_CASE(
    "a migration that fails half way leaves the schema before it, and the next try applies it") {
  ScratchDatabase database;
  sqlite3* handle = database.database.handle();
  const int now = embedded_migrations().back().number;
  std::vector<Migration> migrations(embedded_migrations().begin(), embedded_migrations().end());
  migrations.push_back({now + 1, "more", "CREATE TABLE more (a INTEGER) STRICT;"});
  migrations.push_back(
      {now + 2, "broken", "CREATE TABLE half (a INTEGER) STRICT; SELECT nonsense;"});
  CHECK(error_of([&] { migrate(handle, migrations); }) ==
        "migration broken: database: no such column: nonsense");
  CHECK(number(database, "PRAGMA user_version") == now + 1);
  CHECK(number(database, "SELECT count(*) FROM sqlite_schema WHERE name = 'more'") == 1);
  CHECK(number(database, "SELECT count(*) FROM sqlite_schema WHERE name = 'half'") == 0);
  migrations.back().sql = "CREATE TABLE half (a INTEGER) STRICT;";
  migrate(handle, migrations);
  migrate(handle, migrations);
  CHECK(number(database, "PRAGMA user_version") == now + 2);
}

TEST_CASE("several threads may open and migrate one new database at the same moment") {
  ScratchDirectory directory;
  for (int round = 0; round < 10; ++round) {
    const auto path = directory / ("graft" + std::to_string(round) + ".db");
    std::atomic<int> opened = 0;
    std::vector<std::thread> threads;
    std::latch together(4);
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        together.arrive_and_wait();
        try {
          Database database = Database::open(path);
          ensure_customer(database, "acme", noon);
          ++opened;
        } catch (const StorageError& error) {
          MESSAGE(std::string(error.what()));
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(opened == 4);
    Database database = Database::open(path);
    CHECK(number(database, "SELECT count(*) FROM customers") == 1);
  }
}

TEST_CASE("states that no word names are refused by the schema itself") {
  ScratchDatabase database;
  const Customer acme = ensure_customer(database, "acme", noon);
  const Job job = a_queued_job(database, acme.id);
  const Run run = claim_next_job(database, noon).value();
  const auto refused = [&](const std::string& sql) {
    return error_of([&] { execute(database.database.handle(), sql); }).find("CHECK") !=
           std::string::npos;
  };
  CHECK(refused("UPDATE jobs SET status = 'sleeping'"));
  CHECK(refused("UPDATE jobs SET status = 'cancelled'"));
  CHECK(refused("UPDATE jobs SET status = 'succeeded', finished_at = 1"));
  CHECK(refused("UPDATE jobs SET status = 'failed', finished_at = 1"));
  CHECK(refused("UPDATE jobs SET finished_at = 1"));
  CHECK(refused("UPDATE runs SET status = 'lost'"));
  CHECK(refused("UPDATE runs SET status = 'ended'"));
  CHECK(refused("UPDATE events SET level = 'loud'"));
  CHECK(refused("UPDATE events SET data = '{'"));
}

TEST_CASE("a transaction rolls back unless it is committed, and holds off a second writer") {
  ScratchDatabase database;
  Database second = Database::open(database.directory / "graft.db");
  sqlite3_busy_timeout(second.handle(), 0);
  {
    Transaction transaction(database);
    ensure_customer(database, "acme", noon);
    CHECK(number(second, "SELECT count(*) FROM customers") == 0);
    CHECK(error_of([&] { Transaction other(second); }) == "database: database is locked");
  }
  CHECK(number(database, "SELECT count(*) FROM customers") == 0);
  {
    Transaction transaction(second);
    ensure_customer(second, "acme", noon);
    transaction.commit();
  }
  CHECK(number(database, "SELECT count(*) FROM customers") == 1);
}

TEST_CASE(
    "the daemon's and the scheduler's thread write side by side and nothing is lost or doubled") {
  ScratchDatabase scratch;
  constexpr int jobs = 60;
  const Customer acme = ensure_customer(scratch, "acme", noon);
  const File file = a_file(scratch, acme.id);
  const auto path = scratch.directory / "graft.db";
  std::atomic<bool> all_made = false;
  std::string failure;
  std::thread scheduler([&] {
    try {
      Database database = Database::open(path);
      for (bool last_look = false; !last_look;) {
        last_look = all_made;
        for (const Job& job : list_validating_jobs(database, 100)) {
          enqueue_job(database, job.id, noon);
        }
        while (const auto run = claim_next_job(database, noon)) {
          const Job job = list_lanes(database, run->id).at(0).job;
          for (int step = 1; step <= 3; ++step) {
            Transaction transaction(database);
            update_progress(database, list_lanes(database, run->id).at(0).trial.id, {step, 3, 1},
                            step, std::nullopt);
            insert_event(database, {.job_id = job.id, .type = "metrics", .message = "step"}, noon);
            set_records_offset(database, run->id, step);
            transaction.commit();
          }
          fail_job(database, job.id, {"test", "the end", ""}, noon);
          end_run(database, run->id, "done", noon);
        }
      }
    } catch (const std::exception& error) {
      failure = error.what();
    }
  });
  std::set<std::string> ids;
  for (int i = 0; i < jobs; ++i) {
    ids.insert(create_job(scratch, a_new_job(acme.id, file), noon).id);
  }
  all_made = true;
  scheduler.join();
  CHECK(failure == "");
  CHECK(ids.size() == jobs);
  for (const std::string& id : ids) {
    CHECK(find_job(scratch, acme.id, id)->status == JobStatus::failed);
    // created, queued, started, three steps, failed
    CHECK(list_events(scratch, id, {.limit = 100}).items.size() == 7);
  }
  CHECK(number(scratch,
               "SELECT count(*) FROM runs WHERE status = 'ended' AND records_offset = 3") == jobs);
}

TEST_CASE("a process killed in the middle of a transaction leaves nothing of it") {
  ScratchDirectory directory;
  const auto path = directory / "graft.db";
  {
    Database database = Database::open(path);
    ensure_customer(database, "before", noon);
  }
  Child child([&](int pipe) {
    Database database = Database::open(path);
    Transaction transaction(database);
    ensure_customer(database, "never", noon);
    // Forces pages into the log, where they lie uncommitted.
    execute(database.handle(), "PRAGMA cache_size = 1; PRAGMA cache_spill = 1");
    for (int i = 0; i < 2000; ++i) {
      ensure_customer(database, "never-" + std::to_string(i), noon);
    }
    tell(pipe, "!");
    ::pause();
  });
  REQUIRE(child.read(1) == "!");
  child.kill_it();
  Database database = Database::open(path);
  CHECK(number(database, "SELECT count(*) FROM customers") == 1);
  CHECK(number(database, "SELECT name = 'before' FROM customers") == 1);
  ensure_customer(database, "after", noon);
}

TEST_CASE("jobs accepted before a kill are all there and whole, whenever it comes") {
  ScratchDirectory directory;
  const auto path = directory / "graft.db";
  CustomerId customer = 0;
  File file;
  {
    Database database = Database::open(path);
    customer = ensure_customer(database, "acme", noon).id;
    file = a_file(database, customer);
  }
  std::set<std::string> accepted;
  for (std::size_t wanted = 1; wanted <= 8; ++wanted) {
    Child child([&](int pipe) {
      Database database = Database::open(path);
      while (true) {
        tell(pipe, create_job(database, a_new_job(customer, file), noon).id);
      }
    });
    for (std::size_t i = 0; i < wanted; ++i) {
      const std::string id = child.read(30);
      REQUIRE(id.size() == 30);
      accepted.insert(id);
    }
  }
  Database database = Database::open(path);
  for (const std::string& id : accepted) {
    CHECK(find_job(database, customer, id).has_value());
  }
  const auto jobs = list_jobs(database, customer, {.limit = 100'000}).items;
  CHECK(jobs.size() >= accepted.size());
  for (const Job& job : jobs) {
    CHECK(list_trials(database, job.id).size() == 1);
    CHECK(list_events(database, job.id, {}).items.size() == 1);
  }
}
