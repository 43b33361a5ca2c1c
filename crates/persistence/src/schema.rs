//! The tables, as the migrations of both databases make them.

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::{Id, Ts};

    users (id) {
        id -> Id,
        email -> Nullable<Text>,
        external_id -> Nullable<Text>,
        name -> Nullable<Text>,
        search -> Text,
        password_hash -> Nullable<Text>,
        role -> Text,
        tier -> Text,
        is_active -> Bool,
        is_verified -> Bool,
        minute_limit -> Nullable<BigInt>,
        hourly_limit -> Nullable<BigInt>,
        daily_limit -> Nullable<BigInt>,
        monthly_token_limit -> Nullable<BigInt>,
        quota_floor_month -> Nullable<Integer>,
        quota_floor_tokens -> Nullable<BigInt>,
        metadata -> Text,
        created_at -> Ts,
        updated_at -> Ts,
        quota_grant_month -> Nullable<Integer>,
        quota_grant_tokens -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::{Id, Ts};

    api_keys (id) {
        id -> Id,
        user_id -> Id,
        hash -> Binary,
        name -> Text,
        kind -> Text,
        environment -> Text,
        prefix -> Text,
        preview -> Text,
        permissions -> Text,
        tier -> Nullable<Text>,
        minute_limit -> Nullable<BigInt>,
        hourly_limit -> Nullable<BigInt>,
        daily_limit -> Nullable<BigInt>,
        admin_limits -> Integer,
        is_active -> Bool,
        disabled_by_admin -> Bool,
        revoked_at -> Nullable<Ts>,
        expires_at -> Nullable<Ts>,
        created_by_key -> Nullable<Id>,
        sealed -> Nullable<Binary>,
        metadata -> Text,
        created_at -> Ts,
        updated_at -> Ts,
        allowed_ips -> Nullable<Text>,
        allowed_models -> Nullable<Text>,
        expiry_told -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::{Id, Ts};

    outbox (seq) {
        seq -> BigInt,
        id -> Id,
        at -> Ts,
        kind -> Text,
        user_id -> Id,
        data -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::{Id, Ts};

    sessions (id) {
        id -> Id,
        user_id -> Id,
        created_at -> Ts,
        expires_at -> Ts,
        ended_at -> Nullable<Ts>,
        ip -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        last_seen_at -> Nullable<Ts>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::{Id, Ts};

    refresh_tokens (hash) {
        hash -> Binary,
        session_id -> Id,
        created_at -> Ts,
        spent_at -> Nullable<Ts>,
        answer -> Nullable<Binary>,
    }
}

diesel::table! {
    imported_keys (hash) {
        hash -> Binary,
    }
}

diesel::table! {
    change_counter (the_one) {
        the_one -> Integer,
        number -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::{Id, Ts};

    changes (id) {
        id -> BigInt,
        kind -> Text,
        subject -> Id,
        at -> Ts,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::Ts;

    event_streams (id) {
        id -> BigInt,
        opened_at -> Ts,
        folded_seq -> BigInt,
        windows_seq -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::{Id, Ts};

    usage_events (time, id) {
        id -> Id,
        time -> Ts,
        stream -> BigInt,
        seq -> BigInt,
        month -> Integer,
        request_id -> Text,
        user_id -> Id,
        api_key_id -> Id,
        environment -> Text,
        end_user -> Nullable<Text>,
        endpoint -> Text,
        method -> Text,
        params -> Text,
        status -> Integer,
        counts -> Bool,
        request_bytes -> BigInt,
        response_bytes -> BigInt,
        duration_ms -> BigInt,
        upstream_ms -> Nullable<BigInt>,
        provider -> Nullable<Text>,
        model -> Nullable<Text>,
        upstream_model -> Nullable<Text>,
        request_type -> Text,
        prompt_tokens -> Nullable<BigInt>,
        completion_tokens -> Nullable<BigInt>,
        cached_tokens -> Nullable<BigInt>,
        reasoning_tokens -> Nullable<BigInt>,
        usage_source -> Text,
        cost_pico -> Nullable<BigInt>,
        own_key -> Bool,
        repeat -> BigInt,
        ip -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        error_code -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::Id;

    quota_used (user_id, environment, month) {
        user_id -> Id,
        environment -> Text,
        month -> Integer,
        tokens -> BigInt,
        cost_usd -> BigInt,
        cost_pico -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::Id;

    usage_rollups (user_id, quarter, api_key_id, environment, endpoint, provider, model, request_type, outcome) {
        quarter -> Integer,
        user_id -> Id,
        api_key_id -> Id,
        environment -> Text,
        endpoint -> Text,
        provider -> Text,
        model -> Text,
        request_type -> Text,
        outcome -> Text,
        requests -> BigInt,
        successful -> BigInt,
        prompt_tokens -> BigInt,
        completion_tokens -> BigInt,
        tokens -> BigInt,
        cost_usd -> BigInt,
        cost_pico -> BigInt,
        unpriced -> BigInt,
        duration_ms -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::Id;

    usage_latency (user_id, quarter, api_key_id, environment, bucket) {
        quarter -> Integer,
        user_id -> Id,
        api_key_id -> Id,
        environment -> Text,
        bucket -> SmallInt,
        requests -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::{Id, Ts};

    key_totals (key_id) {
        key_id -> Id,
        request_count -> BigInt,
        last_used_at -> Ts,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::{Id, Ts};

    open_requests (id) {
        id -> Id,
        kept_at -> Ts,
        event -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::Id;

    saved_windows (api_key_id, environment) {
        api_key_id -> Id,
        environment -> Text,
        user_id -> Id,
        quarter -> Integer,
        windows -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::{Id, Ts};

    audit_log (seq) {
        seq -> BigInt,
        id -> Id,
        at -> Ts,
        actor -> Text,
        action -> Text,
        subject -> Text,
        hash -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::Id;

    audit_personal (seq) {
        seq -> BigInt,
        user_id -> Nullable<Id>,
        ip -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        email -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    audit_head (the_one) {
        the_one -> Integer,
        seq -> BigInt,
        hash -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::{Id, Ts};

    mails (id) {
        id -> Id,
        sealed -> Binary,
        queued_at -> Ts,
        next_attempt_at -> Ts,
        give_up_at -> Ts,
        attempts -> Integer,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::{Id, Ts};

    devices (device_hash) {
        device_hash -> Binary,
        user_code_hash -> Binary,
        client -> Nullable<Text>,
        network -> Nullable<Text>,
        ip -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        created_at -> Ts,
        expires_at -> Ts,
        pause -> Integer,
        polled_at -> Nullable<Ts>,
        status -> Text,
        user_id -> Nullable<Id>,
        session_id -> Nullable<Id>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::{Id, Ts};

    device_guesses (user_id) {
        user_id -> Id,
        wrong -> Integer,
        since -> Ts,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::{Id, Ts};

    web_sessions (hash) {
        hash -> Binary,
        session_id -> Id,
        created_at -> Ts,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::{Id, Ts};

    external_identities (issuer, subject) {
        issuer -> Text,
        subject -> Text,
        user_id -> Id,
        created_at -> Ts,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::{Id, Ts};

    mail_tokens (hash) {
        hash -> Binary,
        purpose -> Text,
        user_id -> Nullable<Id>,
        email -> Nullable<Text>,
        address -> Binary,
        created_at -> Ts,
        expires_at -> Ts,
        ended_at -> Nullable<Ts>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::Ts;

    attempts (key) {
        key -> Binary,
        count -> BigInt,
        locked_until -> Nullable<Ts>,
        last_at -> Ts,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::{Id, Ts};

    known_addresses (key) {
        key -> Binary,
        user_id -> Id,
        last_at -> Ts,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    address_hits (kind, key, slot) {
        kind -> SmallInt,
        key -> Binary,
        slot -> BigInt,
        count -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::{Id, Ts};

    second_factors (user_id) {
        user_id -> Id,
        secret -> Nullable<Binary>,
        pending -> Nullable<Binary>,
        last_step -> BigInt,
        wrong -> Integer,
        paused_until -> Nullable<Ts>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::{Id, Ts};

    backup_codes (user_id, hash) {
        user_id -> Id,
        hash -> Binary,
        used_at -> Nullable<Ts>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::{Id, Ts};

    mfa_tokens (hash) {
        hash -> Binary,
        user_id -> Id,
        created_at -> Ts,
        expires_at -> Ts,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::{Id, Ts};

    erasures (user_id) {
        user_id -> Id,
        deleted_at -> Ts,
        mark_time -> Nullable<Ts>,
        mark_id -> Nullable<Id>,
        swept_at -> Nullable<Ts>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::{Id, Ts};

    retired_secrets (hash) {
        hash -> Binary,
        key_id -> Id,
        good_until -> Ts,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::types::sql::{Id, Ts};

    idempotent_calls (hash) {
        hash -> Binary,
        user_id -> Id,
        fingerprint -> Binary,
        run_id -> Id,
        running_until -> Ts,
        done -> Bool,
        answer -> Nullable<Binary>,
        expires_at -> Ts,
    }
}

diesel::joinable!(api_keys -> users (user_id));
diesel::joinable!(retired_secrets -> api_keys (key_id));
diesel::allow_tables_to_appear_in_same_query!(retired_secrets, api_keys);
diesel::joinable!(refresh_tokens -> sessions (session_id));
diesel::joinable!(web_sessions -> sessions (session_id));
diesel::allow_tables_to_appear_in_same_query!(users, api_keys, key_totals);
diesel::allow_tables_to_appear_in_same_query!(refresh_tokens, sessions);
diesel::allow_tables_to_appear_in_same_query!(web_sessions, sessions);
diesel::allow_tables_to_appear_in_same_query!(audit_log, audit_personal);
