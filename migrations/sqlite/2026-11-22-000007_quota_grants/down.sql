ALTER TABLE users DROP COLUMN quota_grant_tokens;
ALTER TABLE users DROP COLUMN quota_grant_month;
