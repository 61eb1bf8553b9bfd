-- What tells one key of a customer from another: a name given when it was made ('' for none), and when
-- it was last used, to the minute or so (NULL: never).
ALTER TABLE api_keys ADD COLUMN name TEXT NOT NULL DEFAULT '' CHECK (length(name) <= 64);
ALTER TABLE api_keys ADD COLUMN last_used_at INTEGER;
