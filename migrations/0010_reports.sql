-- What kind of task a version learned, and how it did on its validation rows (a JSON object that is not read into here).
ALTER TABLE adapter_versions ADD COLUMN kind TEXT NOT NULL DEFAULT 'classification';
ALTER TABLE adapter_versions ADD COLUMN report TEXT CHECK (report IS NULL OR json_valid(report));
