DROP INDEX users_by_shown_id;
DROP INDEX api_keys_active;
DROP INDEX api_keys_unrevoked_of_user;
