//! Questions that must not take longer the more keys there are: each has an index that answers it.

use diesel::{
    Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection, connection::SimpleConnection,
    sql_query, sql_types::Text,
};
use tollgate_persistence::testing::TestDb;

/// A question of each kind, and the index that it needs.
const QUESTIONS: &[(&str, &str)] = &[
    // Lists, however many keys were revoked since.
    (
        "SELECT id FROM api_keys WHERE is_active AND revoked_at IS NULL \
         AND (expires_at IS NULL OR expires_at > {now}) AND id < {last} ORDER BY id DESC LIMIT 51",
        "api_keys_active",
    ),
    (
        "SELECT id FROM api_keys WHERE user_id = {id} AND is_active AND revoked_at IS NULL \
         AND (expires_at IS NULL OR expires_at > {now}) ORDER BY id DESC LIMIT 51",
        "api_keys_unrevoked_of_user",
    ),
    (
        "SELECT id FROM api_keys WHERE user_id = {id} AND id < {last} ORDER BY id DESC LIMIT 51",
        "api_keys_of_user",
    ),
    // How many a user has, before another is made.
    (
        "SELECT count(*) FROM api_keys WHERE user_id = {id} AND revoked_at IS NULL",
        "api_keys_unrevoked_of_user",
    ),
    // What a key has made, at any remove.
    (
        "WITH RECURSIVE tree (id, user_id, revoked) AS (SELECT id, user_id, revoked_at IS NOT NULL FROM api_keys \
         WHERE id = {id} UNION SELECT k.id, k.user_id, k.revoked_at IS NOT NULL FROM tree t JOIN api_keys k \
         ON k.created_by_key = t.id) SELECT id FROM tree WHERE user_id = {id} AND NOT revoked",
        "api_keys_made_by",
    ),
    // People and scripts that look into the database.
    ("SELECT * FROM v_user_api_keys WHERE user_id = 'user_123'", "users_by_shown_id"),
    ("SELECT * FROM v_user_api_keys WHERE user_id = 'user_123'", "api_keys_of_user"),
];

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

#[test]
fn on_sqlite_keys_are_found_by_indices() {
    let database = TestDb::sqlite();
    database.db().ping().unwrap();
    let url = database.url();
    let mut conn = SqliteConnection::establish(url.trim_start_matches("sqlite://")).unwrap();
    for (question, index) in QUESTIONS {
        let question = question.replace("{now}", "'2026'").replace("{id}", "'0a'").replace("{last}", "'ff'");
        let steps: Vec<Step> = sql_query(format!("EXPLAIN QUERY PLAN {question}")).load(&mut conn).unwrap();
        let plan: Vec<_> = steps.into_iter().map(|step| step.detail).collect();
        assert!(plan.iter().any(|step| step.contains(index)), "{question}: {plan:?}");
        let orders = plan.iter().any(|step| step.contains("TEMP B-TREE"));
        assert!(!orders, "{question}: {plan:?}");
    }
}

/// One statement answers with a plan of several rows, whose one column cannot be named: a function gives it a name.
const PLAN_OF: &str = "CREATE FUNCTION pg_temp.plan_of(question text) RETURNS SETOF text LANGUAGE plpgsql AS \
    $$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN ' || question; END $$";

/// So many that reading all takes longer: a thousand users, and twenty keys of each, of which one is not revoked.
const KEYS: &str = "INSERT INTO users (id, external_id, search, role, tier, is_active, is_verified, metadata, created_at, \
    updated_at) SELECT lpad(to_hex(n), 32, '0')::uuid, 'there-' || n, '', 'user', 'free', true, true, '{}', now(), \
    now() FROM generate_series(1, 1000) n; \
    INSERT INTO api_keys (id, user_id, hash, name, kind, environment, prefix, preview, permissions, admin_limits, \
    is_active, disabled_by_admin, revoked_at, metadata, created_at, updated_at) SELECT \
    lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n % 1000 + 1), 32, '0')::uuid, decode(md5(n::text), 'hex'), 'Key', \
    'ordinary', 'live', '', '', 'chat', 0, true, false, CASE WHEN n <= 19000 THEN now() END, '{}', now(), now() \
    FROM generate_series(1, 20000) n; \
    ANALYZE users; ANALYZE api_keys";

#[test]
fn on_postgres_keys_are_found_by_indices() {
    let Some(database) = TestDb::postgres() else { return };
    database.db().ping().unwrap();
    let mut conn = PgConnection::establish(&database.url()).unwrap();
    conn.batch_execute("SET search_path TO tollgate").unwrap();
    conn.batch_execute(KEYS).unwrap();
    conn.batch_execute(PLAN_OF).unwrap();
    for (question, index) in QUESTIONS {
        let id = |last: &str| format!("'00000000-0000-0000-0000-0000000{last:0>5}'::uuid");
        let question =
            question.replace("{now}", "now()").replace("{id}", &id("a")).replace("{last}", &id("fffff"));
        let steps: Vec<Step> = sql_query("SELECT pg_temp.plan_of($1) AS detail")
            .bind::<Text, _>(&question)
            .load(&mut conn)
            .unwrap();
        let plan: Vec<_> = steps.into_iter().map(|step| step.detail).collect();
        let used = plan.iter().any(|step| step.contains(index));
        assert!(used, "{question}:\n{}", plan.join("\n"));
    }
}
