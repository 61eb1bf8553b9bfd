-- Layers of a trial that stay as the backbone has them: rising numbers with commas between; none for all
-- layers adapted, as every trial before this had it.
ALTER TABLE trials ADD COLUMN leave_out TEXT NOT NULL DEFAULT ''
  CHECK (leave_out NOT GLOB '*[^0-9,]*');
