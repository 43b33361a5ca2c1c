DROP INDEX api_keys_expiring;
ALTER TABLE api_keys DROP COLUMN expiry_told;
DROP TABLE outbox;
