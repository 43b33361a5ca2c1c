-- Tokens of one month (counted from the year 0) that an administrator gave beyond its limit.
ALTER TABLE users ADD COLUMN quota_grant_month integer;
ALTER TABLE users ADD COLUMN quota_grant_tokens bigint;
