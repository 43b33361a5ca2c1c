DROP INDEX api_keys_made_by;
DROP TABLE retired_secrets;
ALTER TABLE api_keys DROP COLUMN allowed_models;
ALTER TABLE api_keys DROP COLUMN allowed_ips;
