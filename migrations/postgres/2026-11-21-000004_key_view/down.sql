-- With CASCADE goes the copy in `public`, if it is ours.
DROP VIEW v_user_api_keys CASCADE;
