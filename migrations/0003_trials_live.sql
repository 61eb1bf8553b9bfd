-- The trial is the unit of life: it is queued, trained, paused and ended for itself, and owns the checkpoint that it
-- goes on from. A job's status, progress and result follow from its trials (storage/trial_states.cpp).
ALTER TABLE trials ADD COLUMN status TEXT NOT NULL DEFAULT 'queued'
  CHECK (status IN ('queued', 'running', 'paused', 'succeeded', 'failed', 'cancelled'));
-- Runs begun, and of these the ones that ended by the trial's own fault.
ALTER TABLE trials ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0);
ALTER TABLE trials ADD COLUMN failures INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0);
ALTER TABLE trials ADD COLUMN not_before INTEGER NOT NULL DEFAULT 0;
-- How its last run ended, for people.
ALTER TABLE trials ADD COLUMN last_end TEXT;
ALTER TABLE trials ADD COLUMN checkpoint_sha256 TEXT
  CHECK (checkpoint_sha256 IS NULL OR length(checkpoint_sha256) = 64);
ALTER TABLE trials ADD COLUMN checkpoint_step INTEGER NOT NULL DEFAULT 0;
ALTER TABLE trials ADD COLUMN step INTEGER NOT NULL DEFAULT 0;
ALTER TABLE trials ADD COLUMN total_steps INTEGER NOT NULL DEFAULT 0;
ALTER TABLE trials ADD COLUMN tokens_per_second REAL NOT NULL DEFAULT 0;
ALTER TABLE trials ADD COLUMN trained_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE trials ADD COLUMN estimated_finish INTEGER;
ALTER TABLE trials ADD COLUMN error_code TEXT;
ALTER TABLE trials ADD COLUMN error_message TEXT;
ALTER TABLE trials ADD COLUMN error_param TEXT;

UPDATE trials SET
  (status, attempts, step, total_steps, tokens_per_second, trained_tokens, estimated_finish, error_code,
   error_message, error_param) =
  (SELECT CASE j.status WHEN 'validating_files' THEN 'queued' ELSE j.status END, j.attempts, j.step, j.total_steps,
     j.tokens_per_second, j.trained_tokens, j.estimated_finish, j.error_code, j.error_message, j.error_param
   FROM jobs j WHERE j.id = trials.job_id)
WHERE job_id IN (SELECT id FROM jobs);
-- Of several trials of a job the one that made its version is the one that succeeded.
UPDATE trials SET status = 'cancelled' WHERE status = 'succeeded'
  AND NOT EXISTS (SELECT 1 FROM adapter_versions v WHERE v.trial_id = trials.id);

CREATE INDEX trials_queued ON trials (job_id, number) WHERE status = 'queued';
CREATE INDEX trials_by_checkpoint ON trials (checkpoint_sha256) WHERE checkpoint_sha256 IS NOT NULL;

CREATE TRIGGER trials_final_stays_final BEFORE UPDATE OF status ON trials
WHEN OLD.status IN ('succeeded', 'failed', 'cancelled') AND NEW.status <> OLD.status
BEGIN
  SELECT RAISE(ABORT, 'a trial that has succeeded, failed or been cancelled keeps its status');
END;
