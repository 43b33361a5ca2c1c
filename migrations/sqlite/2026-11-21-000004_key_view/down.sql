DROP VIEW v_user_api_keys;
