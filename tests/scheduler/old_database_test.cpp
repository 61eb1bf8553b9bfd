// Databases of programs before this one: their rows say the same after the migrations.
#include <doctest/doctest.h>
#include <sqlite3.h>

#include <string>

#include "storage/jobs.h"
#include "storage/migrate.h"
#include "storage/statement.h"
#include "tests/support/scratch_directory.h"
#include "trainer/contract/metrics.h"
#include "trainer/contract/specification.h"

namespace graft {
namespace {

// A job with two trials, as the first two schemas had them.
constexpr char first_rows[] = R"(
INSERT INTO customers (name, created_at) VALUES ('acme', 1);
INSERT INTO files (public_id, customer_id, sha256, bytes, filename, purpose, created_at)
  VALUES ('file-1', 1, printf('%064d', 1), 1, 'rows.csv', 'fine-tune', 1);
INSERT INTO tasks (public_id, customer_id, name, adapter_name, kind, created_at)
  VALUES ('task_1', 1, 'mood', 't_1', 'classification', 1);
INSERT INTO jobs (public_id, customer_id, task_id, status, created_at, model, backbone_sha256,
  training_file_id, seed, learning_rate_multiplier, has_metadata)
  VALUES ('ftjob-1', 1, 1, 'queued', 1, 'minilm', 'b', 1, 7, 1, 0);
INSERT INTO trials (public_id, job_id, number, method, size, activation, init_std,
  train_layer_norm, learning_rate, batch_size, n_epochs, max_length, warmup_ratio, weight_decay,
  validation_fraction, seed)
  VALUES ('trial_1', 1, 0, 'houlsby', 48, 'swish', 0.02, 0, 0.002, 16, 4, 100, 0.1, 0, 0.1, 7);
INSERT INTO checkpoints (public_id, job_id, trial_id, created_at, step, epoch, train_loss,
  train_accuracy, valid_loss, valid_accuracy, valid_macro_f1)
  VALUES ('ftckpt_1', 1, 1, 1, 20, 2, 0.1 + 0.2, 0.5, 1e-300, 0.75, 2.0 / 3);
INSERT INTO metric_points VALUES (1, 10, 0.5, 0.25, NULL, NULL);
INSERT INTO metric_points VALUES (1, 20, 0.1 + 0.2, 0.5, 1e-300, 0.75);
)";
constexpr char second_rows[] = R"(
INSERT INTO trials (public_id, job_id, number, method, size, activation, init_std,
  train_layer_norm, learning_rate, batch_size, n_epochs, max_length, warmup_ratio, weight_decay,
  validation_fraction, seed, leave_out)
  VALUES ('trial_2', 1, 1, 'pfeiffer', 24, 'gelu', 1e-05, 1, 0.3 * 0.001, 8, 5, 64, 0.0, 1.0 / 3,
    0.25, 2147483647, '0,10');
INSERT INTO trials (public_id, job_id, number, method, size, activation, init_std,
  train_layer_norm, learning_rate, batch_size, n_epochs, max_length, warmup_ratio, weight_decay,
  validation_fraction, seed)
  VALUES ('trial_3', 1, 2, 'head', 64, 'swish', 0.02, 0, 0.003, 32, 3, 128, 0.1, 0, 0.1, 9);
)";

Database migrated(const ScratchDirectory& directory) {
  sqlite3* handle = nullptr;
  REQUIRE(sqlite3_open((directory / "graft.db").c_str(), &handle) == SQLITE_OK);
  migrate(handle, embedded_migrations().first(1));
  execute(handle, first_rows);
  migrate(handle, embedded_migrations().first(2));
  execute(handle, second_rows);
  sqlite3_close(handle);
  return Database::open(directory / "graft.db");
}

}  // namespace

TEST_CASE("specifications with a column a member are carried over bit for bit") {
  ScratchDirectory directory;
  Database database = migrated(directory);
  const auto trials = list_trials(database, "ftjob-1");
  REQUIRE(trials.size() == 3);

  Specification first;
  first.size = 48;
  first.learning_rate = 0.002;
  first.batch_size = 16;
  first.n_epochs = 4;
  first.max_length = 100;
  first.seed = 7;
  CHECK(parse_specification(trials[0].specification) == first);

  Specification second;
  second.method = AdapterMethod::pfeiffer;
  second.size = 24;
  second.leave_out = {0, 10};
  second.activation = Activation::gelu;
  second.init_std = 1e-05;
  second.train_layer_norm = true;
  second.learning_rate = 0.3 * 0.001;
  second.batch_size = 8;
  second.n_epochs = 5;
  second.max_length = 64;
  second.warmup_ratio = 0;
  second.weight_decay = 1.0 / 3;
  second.validation_fraction = 0.25;
  second.seed = 2147483647;
  CHECK(parse_specification(trials[1].specification) == second);

  Specification head;
  head.method = AdapterMethod::head;
  head.learning_rate = 0.003;
  head.seed = 9;
  CHECK(parse_specification(trials[2].specification) == head);
  CHECK_THROWS_AS(execute(database.handle(), "UPDATE trials SET specification = '{'"),
                  StorageError);
}

TEST_CASE("metrics with a column each are carried over bit for bit") {
  ScratchDirectory directory;
  Database database = migrated(directory);
  const auto checkpoints = list_checkpoints(database, "ftjob-1", {}).items;
  REQUIRE(checkpoints.size() == 1);
  CHECK(checkpoints[0].step == 20);
  CHECK(parse_metrics_text(checkpoints[0].metrics) == Metrics{{"train_loss", 0.1 + 0.2},
                                                              {"train_accuracy", 0.5},
                                                              {"valid_loss", 1e-300},
                                                              {"valid_accuracy", 0.75},
                                                              {"valid_macro_f1", 2.0 / 3}});
  const auto points = list_metric_points(database, "ftjob-1");
  REQUIRE(points.size() == 2);
  CHECK(parse_metrics_text(points[0].metrics) ==
        Metrics{{"train_loss", 0.5}, {"train_accuracy", 0.25}});
  CHECK(parse_metrics_text(points[1].metrics).get("valid_loss") == 1e-300);
}

}  // namespace graft
