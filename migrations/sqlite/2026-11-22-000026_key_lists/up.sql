-- Keys that were not revoked, among however many that were: a user's, which are counted before another is made, and
-- everybody's, of which lists tell page by page.
CREATE INDEX api_keys_unrevoked_of_user ON api_keys (user_id, id) WHERE revoked_at IS NULL;
CREATE INDEX api_keys_active ON api_keys (id, expires_at) WHERE is_active AND revoked_at IS NULL;
-- By what the view of keys calls a user's id.
CREATE INDEX users_by_shown_id ON users (coalesce(external_id, id));
