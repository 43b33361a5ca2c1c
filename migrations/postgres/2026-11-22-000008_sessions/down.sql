DROP INDEX refresh_tokens_with_answer;
DROP INDEX sessions_by_end;
DROP INDEX sessions_by_expiry;
ALTER TABLE refresh_tokens DROP COLUMN answer;
ALTER TABLE sessions DROP COLUMN last_seen_at;
