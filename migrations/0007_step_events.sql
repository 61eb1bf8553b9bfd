-- Once a job has ended, most of its step metrics go (storage/events.h). An event's number within its
-- job, which its id tells too, says where it stood when it is no longer there.
ALTER TABLE events ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
-- One of many, of which a few are enough once the job has ended. Events from before are kept: nothing
-- would tell where they stood.
ALTER TABLE events ADD COLUMN passing INTEGER NOT NULL DEFAULT 0 CHECK (passing IN (0, 1));
UPDATE events SET number = numbered.place
FROM (SELECT id, row_number() OVER (PARTITION BY job_id ORDER BY id) AS place FROM events) AS numbered
WHERE numbered.id = events.id;
DROP INDEX events_by_job;
CREATE UNIQUE INDEX events_by_job ON events (job_id, number);
CREATE INDEX events_passing ON events (job_id, number) WHERE passing = 1;

-- thinning: those that stay are chosen, the others go piece by piece.
ALTER TABLE jobs ADD COLUMN step_events TEXT NOT NULL DEFAULT 'all'
  CHECK (step_events IN ('all', 'thinning', 'thinned'));
UPDATE jobs SET step_events = 'thinned' WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_to_thin ON jobs (finished_at, id)
  WHERE finished_at IS NOT NULL AND step_events <> 'thinned';
