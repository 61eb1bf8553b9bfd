-- The first schema. Rows point at each other by integer ids, which also are the order of every
-- listing; public_id is what customers see. Nothing that a customer owns is ever deleted: rows are
-- hidden or final.

CREATE TABLE settings (
  name  TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE customers (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  name       TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 63),
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE api_keys (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  public_id     TEXT NOT NULL UNIQUE,
  customer_id   INTEGER NOT NULL REFERENCES customers (id),
  prefix        TEXT NOT NULL UNIQUE,
  secret_sha256 TEXT NOT NULL UNIQUE CHECK (length(secret_sha256) = 64),
  created_at    INTEGER NOT NULL,
  revoked_at    INTEGER
) STRICT;
CREATE INDEX api_keys_by_customer ON api_keys (customer_id);

CREATE TABLE files (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  public_id   TEXT NOT NULL UNIQUE,
  customer_id INTEGER NOT NULL REFERENCES customers (id),
  sha256      TEXT NOT NULL CHECK (length(sha256) = 64),
  bytes       INTEGER NOT NULL CHECK (bytes >= 0),
  filename    TEXT NOT NULL,
  purpose     TEXT NOT NULL,
  created_at  INTEGER NOT NULL,
  expires_at  INTEGER,
  deleted_at  INTEGER
) STRICT;
CREATE INDEX files_by_customer ON files (customer_id, id) WHERE deleted_at IS NULL;
CREATE INDEX files_by_purpose ON files (customer_id, purpose, id) WHERE deleted_at IS NULL;
CREATE INDEX files_by_sha256 ON files (sha256);

CREATE TABLE tasks (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  public_id    TEXT NOT NULL UNIQUE,
  customer_id  INTEGER NOT NULL REFERENCES customers (id),
  name         TEXT NOT NULL CHECK (length(name) > 0),
  adapter_name TEXT NOT NULL UNIQUE,
  kind         TEXT NOT NULL,
  created_at   INTEGER NOT NULL,
  UNIQUE (customer_id, name)
) STRICT;
CREATE INDEX tasks_by_customer ON tasks (customer_id, id);

CREATE TABLE jobs (
  id                       INTEGER PRIMARY KEY AUTOINCREMENT,
  public_id                TEXT NOT NULL UNIQUE,
  customer_id              INTEGER NOT NULL REFERENCES customers (id),
  task_id                  INTEGER NOT NULL REFERENCES tasks (id),
  status                   TEXT NOT NULL CHECK (status IN
    ('validating_files', 'queued', 'running', 'paused', 'succeeded', 'failed', 'cancelled')),
  created_at               INTEGER NOT NULL,
  started_at               INTEGER,
  finished_at              INTEGER,
  estimated_finish         INTEGER,
  model                    TEXT NOT NULL,
  backbone_sha256          TEXT NOT NULL,
  training_file_id         INTEGER NOT NULL REFERENCES files (id),
  validation_file_id       INTEGER REFERENCES files (id),
  suffix                   TEXT,
  seed                     INTEGER NOT NULL,
  learning_rate_multiplier REAL NOT NULL,
  has_metadata             INTEGER NOT NULL CHECK (has_metadata IN (0, 1)),
  idempotency_key          TEXT,
  attempts                 INTEGER NOT NULL DEFAULT 0,
  step                     INTEGER NOT NULL DEFAULT 0,
  total_steps              INTEGER NOT NULL DEFAULT 0,
  tokens_per_second        REAL NOT NULL DEFAULT 0,
  trained_tokens           INTEGER NOT NULL DEFAULT 0,
  version_id               INTEGER REFERENCES adapter_versions (id),
  error_code               TEXT,
  error_message            TEXT,
  error_param              TEXT,
  CHECK ((finished_at IS NOT NULL) = (status IN ('succeeded', 'failed', 'cancelled'))),
  CHECK ((version_id IS NOT NULL) = (status = 'succeeded')),
  CHECK ((error_code IS NOT NULL) = (status = 'failed'))
) STRICT;
CREATE INDEX jobs_by_customer ON jobs (customer_id, id);
CREATE INDEX jobs_by_task ON jobs (task_id, id);
CREATE INDEX jobs_without_metadata ON jobs (customer_id, id) WHERE has_metadata = 0;
CREATE INDEX jobs_by_idempotency_key ON jobs (customer_id, idempotency_key, created_at)
  WHERE idempotency_key IS NOT NULL;
CREATE INDEX jobs_by_training_file ON jobs (training_file_id, created_at);
CREATE INDEX jobs_by_version ON jobs (version_id) WHERE version_id IS NOT NULL;
-- The queue and all else that is not final: small indexes, however many jobs there were.
CREATE INDEX jobs_unfinished ON jobs (status, created_at, id) WHERE finished_at IS NULL;
CREATE INDEX jobs_unfinished_by_training_file ON jobs (training_file_id) WHERE finished_at IS NULL;
CREATE INDEX jobs_unfinished_by_validation_file ON jobs (validation_file_id)
  WHERE finished_at IS NULL AND validation_file_id IS NOT NULL;

CREATE TRIGGER jobs_final_stays_final BEFORE UPDATE OF status ON jobs
WHEN OLD.finished_at IS NOT NULL AND NEW.status <> OLD.status
BEGIN
  SELECT RAISE(ABORT, 'a job that has succeeded, failed or been cancelled keeps its status');
END;

CREATE TABLE job_metadata (
  job_id      INTEGER NOT NULL REFERENCES jobs (id),
  customer_id INTEGER NOT NULL REFERENCES customers (id),
  key         TEXT NOT NULL,
  value       TEXT NOT NULL,
  PRIMARY KEY (job_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_metadata_by_value ON job_metadata (customer_id, key, value, job_id);

CREATE TABLE job_result_files (
  job_id  INTEGER NOT NULL REFERENCES jobs (id),
  file_id INTEGER NOT NULL REFERENCES files (id),
  PRIMARY KEY (job_id, file_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  public_id  TEXT NOT NULL UNIQUE,
  job_id     INTEGER NOT NULL REFERENCES jobs (id),
  created_at INTEGER NOT NULL,
  level      TEXT NOT NULL CHECK (level IN ('info', 'warn', 'error')),
  type       TEXT NOT NULL CHECK (type IN ('message', 'metrics')),
  message    TEXT NOT NULL,
  data       TEXT CHECK (data IS NULL OR json_valid(data))
) STRICT;
CREATE INDEX events_by_job ON events (job_id, id);

CREATE TABLE trials (
  id                  INTEGER PRIMARY KEY AUTOINCREMENT,
  public_id           TEXT NOT NULL UNIQUE,
  job_id              INTEGER NOT NULL REFERENCES jobs (id),
  number              INTEGER NOT NULL CHECK (number >= 0),
  method              TEXT NOT NULL,
  size                INTEGER NOT NULL,
  activation          TEXT NOT NULL,
  init_std            REAL NOT NULL,
  train_layer_norm    INTEGER NOT NULL CHECK (train_layer_norm IN (0, 1)),
  learning_rate       REAL NOT NULL,
  batch_size          INTEGER NOT NULL,
  n_epochs            INTEGER NOT NULL,
  max_length          INTEGER NOT NULL,
  warmup_ratio        REAL NOT NULL,
  weight_decay        REAL NOT NULL,
  validation_fraction REAL NOT NULL,
  seed                INTEGER NOT NULL,
  UNIQUE (job_id, number)
) STRICT;

CREATE TABLE metric_points (
  trial_id       INTEGER NOT NULL REFERENCES trials (id),
  step           INTEGER NOT NULL,
  train_loss     REAL NOT NULL,
  train_accuracy REAL NOT NULL,
  valid_loss     REAL,
  valid_accuracy REAL,
  PRIMARY KEY (trial_id, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoints (
  id             INTEGER PRIMARY KEY AUTOINCREMENT,
  public_id      TEXT NOT NULL UNIQUE,
  job_id         INTEGER NOT NULL REFERENCES jobs (id),
  trial_id       INTEGER NOT NULL REFERENCES trials (id),
  created_at     INTEGER NOT NULL,
  step           INTEGER NOT NULL,
  epoch          INTEGER NOT NULL,
  train_loss     REAL NOT NULL,
  train_accuracy REAL NOT NULL,
  valid_loss     REAL NOT NULL,
  valid_accuracy REAL NOT NULL,
  valid_macro_f1 REAL NOT NULL,
  UNIQUE (trial_id, step)
) STRICT;
CREATE INDEX checkpoints_by_job ON checkpoints (job_id, id);

-- A run may train trials of several customers side by side: it belongs to them through its lanes.
CREATE TABLE runs (
  id             INTEGER PRIMARY KEY AUTOINCREMENT,
  public_id      TEXT NOT NULL UNIQUE,
  status         TEXT NOT NULL CHECK (status IN ('launching', 'running', 'ended')),
  launched_at    INTEGER NOT NULL,
  ended_at       INTEGER,
  records_offset INTEGER NOT NULL DEFAULT 0 CHECK (records_offset >= 0),
  outcome        TEXT,
  CHECK ((ended_at IS NOT NULL) = (status = 'ended'))
) STRICT;
CREATE INDEX runs_active ON runs (launched_at, id) WHERE ended_at IS NULL;

CREATE TABLE run_lanes (
  run_id   INTEGER NOT NULL REFERENCES runs (id),
  lane     INTEGER NOT NULL CHECK (lane >= 0),
  trial_id INTEGER NOT NULL REFERENCES trials (id),
  PRIMARY KEY (run_id, lane)
) STRICT, WITHOUT ROWID;
CREATE INDEX run_lanes_by_trial ON run_lanes (trial_id);

CREATE TABLE adapter_versions (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  public_id       TEXT NOT NULL UNIQUE,
  customer_id     INTEGER NOT NULL REFERENCES customers (id),
  task_id         INTEGER NOT NULL REFERENCES tasks (id),
  number          INTEGER NOT NULL CHECK (number >= 1),
  model_id        TEXT NOT NULL UNIQUE,
  job_id          INTEGER NOT NULL REFERENCES jobs (id),
  trial_id        INTEGER NOT NULL REFERENCES trials (id),
  backbone_name   TEXT NOT NULL,
  backbone_sha256 TEXT NOT NULL,
  bundle_sha256   TEXT NOT NULL CHECK (length(bundle_sha256) = 64),
  bundle_bytes    INTEGER NOT NULL CHECK (bundle_bytes >= 0),
  label_count     INTEGER NOT NULL CHECK (label_count >= 0),
  metrics         TEXT NOT NULL,
  created_at      INTEGER NOT NULL,
  UNIQUE (task_id, number)
) STRICT;
CREATE INDEX adapter_versions_by_customer ON adapter_versions (customer_id, id);
CREATE INDEX adapter_versions_by_job ON adapter_versions (job_id);
CREATE INDEX adapter_versions_by_bundle ON adapter_versions (bundle_sha256);

-- Labels in class-id order; label_count above closes the list.
CREATE TABLE adapter_version_labels (
  version_id INTEGER NOT NULL REFERENCES adapter_versions (id),
  class_id   INTEGER NOT NULL CHECK (class_id >= 0),
  label      TEXT NOT NULL,
  PRIMARY KEY (version_id, class_id)
) STRICT, WITHOUT ROWID;

-- Versions that were deleted as models. The version itself stays for those who hold its number.
CREATE TABLE hidden_versions (
  version_id INTEGER PRIMARY KEY REFERENCES adapter_versions (id),
  hidden_at  INTEGER NOT NULL
) STRICT;

-- Every change of an alias; the newest row of a name is where it points.
CREATE TABLE alias_changes (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  task_id    INTEGER NOT NULL REFERENCES tasks (id),
  name       TEXT NOT NULL CHECK (length(name) > 0),
  version_id INTEGER NOT NULL REFERENCES adapter_versions (id),
  changed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX alias_changes_by_name ON alias_changes (task_id, name, id);
CREATE INDEX alias_changes_by_version ON alias_changes (version_id);

CREATE TRIGGER adapter_versions_no_update BEFORE UPDATE ON adapter_versions
BEGIN
  SELECT RAISE(ABORT, 'adapter versions are immutable: train the task again for a new version');
END;
CREATE TRIGGER adapter_versions_no_delete BEFORE DELETE ON adapter_versions
BEGIN
  SELECT RAISE(ABORT, 'adapter versions are never deleted: hide the version instead');
END;
-- INSERT OR REPLACE would delete the old row without asking the trigger above.
CREATE TRIGGER adapter_versions_no_replace BEFORE INSERT ON adapter_versions
WHEN EXISTS (SELECT 1 FROM adapter_versions WHERE id = NEW.id)
  OR EXISTS (SELECT 1 FROM adapter_versions WHERE public_id = NEW.public_id)
  OR EXISTS (SELECT 1 FROM adapter_versions WHERE model_id = NEW.model_id)
  OR EXISTS (SELECT 1 FROM adapter_versions WHERE task_id = NEW.task_id AND number = NEW.number)
BEGIN
  SELECT RAISE(ABORT, 'this adapter version exists already and is immutable');
END;

CREATE TRIGGER adapter_version_labels_no_update BEFORE UPDATE ON adapter_version_labels
BEGIN
  SELECT RAISE(ABORT, 'labels of an adapter version are immutable');
END;
CREATE TRIGGER adapter_version_labels_no_delete BEFORE DELETE ON adapter_version_labels
BEGIN
  SELECT RAISE(ABORT, 'labels of an adapter version are never deleted');
END;
CREATE TRIGGER adapter_version_labels_closed BEFORE INSERT ON adapter_version_labels
WHEN NEW.class_id >= (SELECT label_count FROM adapter_versions WHERE id = NEW.version_id)
  OR EXISTS (SELECT 1 FROM adapter_version_labels
             WHERE version_id = NEW.version_id AND class_id = NEW.class_id)
BEGIN
  SELECT RAISE(ABORT, 'labels of an adapter version are immutable');
END;
