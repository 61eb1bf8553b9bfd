-- The last checkpoint of a trial that was cancelled or failed becomes a file of its customer's.
ALTER TABLE checkpoints ADD COLUMN file_id INTEGER REFERENCES files (id);
CREATE INDEX trials_with_checkpoint ON trials (status, id) WHERE checkpoint_sha256 IS NOT NULL;
