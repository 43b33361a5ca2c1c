//! How the caller's windows and quota stand, as headers: the older systems' names and the IETF's
//! (draft-ietf-httpapi-ratelimit-headers-10).

use actix_web::http::header::{HeaderName, HeaderValue};
use chrono::{SecondsFormat, TimeDelta};
use tollgate_domain::{Time, window::WindowKind};
use tollgate_gate::Metered;
use tollgate_usage::Reading;

/// The headers that every gated answer to a known caller has.
pub fn of(metered: &Metered, now: Time) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::with_capacity(14);
    let mut add = |name: &'static str, value: String| {
        // Digits, dates and quoted names: always a header's characters.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.push((HeaderName::from_static(name), value));
        }
    };
    for reading in &metered.readings {
        let [limit, remaining, reset] = names(reading.window);
        add(limit, reading.limit.to_string());
        add(remaining, reading.remaining().to_string());
        add(reset, rfc3339(reading.resets_at.unwrap_or(now)));
    }
    add("ratelimit-policy", joined(metered, policy));
    add("ratelimit", joined(metered, |reading| state(reading, now)));
    if let Some(quota) = &metered.quota {
        add("x-quota-limit", quota.limit.to_string());
        add("x-quota-remaining", quota.remaining().to_string());
        add("x-quota-reset", rfc3339(quota.resets_at()));
    }
    headers
}

fn joined(metered: &Metered, each: impl Fn(&Reading) -> String) -> String {
    metered.readings.iter().map(each).collect::<Vec<_>>().join(", ")
}

fn policy(reading: &Reading) -> String {
    format!("\"{}\";q={};w={}", name(reading.window), reading.limit, reading.window.length_ms() / 1_000)
}

fn state(reading: &Reading, now: Time) -> String {
    let seconds = reading.resets_at.map_or(0, |reset| seconds_until(reset, now));
    format!("\"{}\";r={};t={seconds}", name(reading.window), reading.remaining())
}

/// Whole seconds until `then`, rounded up: who waits so long does not come too early.
fn seconds_until(then: Time, now: Time) -> i64 {
    let left = then.signed_duration_since(now).max(TimeDelta::zero());
    left.num_milliseconds().saturating_add(999).div_euclid(1_000)
}

/// RFC 3339 in whole seconds, rounded up.
fn rfc3339(time: Time) -> String {
    let up = time.checked_add_signed(TimeDelta::microseconds(999_999)).unwrap_or(time);
    up.to_rfc3339_opts(SecondsFormat::Secs, true)
}

const fn name(window: WindowKind) -> &'static str {
    match window {
        WindowKind::Minute => "minute",
        WindowKind::Hour => "hour",
        WindowKind::Day => "day",
    }
}

const fn names(window: WindowKind) -> [&'static str; 3] {
    match window {
        WindowKind::Minute => {
            ["x-ratelimit-limit-minute", "x-ratelimit-remaining-minute", "x-ratelimit-reset-minute"]
        }
        WindowKind::Hour => {
            ["x-ratelimit-limit-hour", "x-ratelimit-remaining-hour", "x-ratelimit-reset-hour"]
        }
        WindowKind::Day => ["x-ratelimit-limit-day", "x-ratelimit-remaining-day", "x-ratelimit-reset-day"],
    }
}
