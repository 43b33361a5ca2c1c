-- What is revoked is not active: older scripts ask for is_active alone.

DROP VIEW v_user_api_keys;

CREATE VIEW v_user_api_keys AS
WITH clock (now) AS (SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z')
SELECT
    k.id AS key_id,
    coalesce(u.external_id, u.id) AS user_id,
    k.name,
    u.email,
    coalesce(k.tier, u.tier) AS tier,
    k.prefix AS key_prefix,
    k.is_active AND k.revoked_at IS NULL AS is_active,
    k.expires_at IS NULL OR k.expires_at > clock.now AS is_valid,
    CASE
        WHEN k.revoked_at IS NOT NULL THEN 'revoked'
        WHEN k.expires_at <= clock.now THEN 'expired'
        WHEN NOT k.is_active THEN 'disabled'
        ELSE 'active'
    END AS status,
    k.created_at,
    k.updated_at,
    k.expires_at,
    t.last_used_at,
    coalesce(t.request_count, 0) AS request_count
FROM api_keys k
JOIN clock
JOIN users u ON u.id = k.user_id
LEFT JOIN key_totals t ON t.key_id = k.id;
