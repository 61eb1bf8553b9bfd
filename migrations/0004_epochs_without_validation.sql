-- An epoch without validation rows is a checkpoint, too: the numbers that do not exist are NULL.
CREATE TABLE checkpoints_of_any_epoch (
  id             INTEGER PRIMARY KEY AUTOINCREMENT,
  public_id      TEXT NOT NULL UNIQUE,
  job_id         INTEGER NOT NULL REFERENCES jobs (id),
  trial_id       INTEGER NOT NULL REFERENCES trials (id),
  created_at     INTEGER NOT NULL,
  step           INTEGER NOT NULL,
  epoch          INTEGER NOT NULL,
  train_loss     REAL NOT NULL,
  train_accuracy REAL NOT NULL,
  valid_loss     REAL,
  valid_accuracy REAL,
  valid_macro_f1 REAL,
  UNIQUE (trial_id, step)
) STRICT;
INSERT INTO checkpoints_of_any_epoch
  SELECT id, public_id, job_id, trial_id, created_at, step, epoch, train_loss, train_accuracy, valid_loss,
    valid_accuracy, valid_macro_f1 FROM checkpoints;
DROP TABLE checkpoints;
ALTER TABLE checkpoints_of_any_epoch RENAME TO checkpoints;
CREATE INDEX checkpoints_by_job ON checkpoints (job_id, id);
