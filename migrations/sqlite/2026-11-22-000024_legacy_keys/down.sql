DROP INDEX api_keys_legacy;
-- The version before knows no such kind.
UPDATE api_keys SET kind = 'ordinary' WHERE kind = 'legacy';
