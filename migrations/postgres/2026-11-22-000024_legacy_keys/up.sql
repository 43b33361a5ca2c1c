-- Every start looks for the keys of the configuration file, which are few among many.
CREATE INDEX api_keys_legacy ON api_keys (id) WHERE kind = 'legacy';
