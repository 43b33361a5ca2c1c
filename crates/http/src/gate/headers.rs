//! How the caller's windows and quota stand, as headers: the older systems' names and the IETF's
//! (draft-ietf-httpapi-ratelimit-headers-10).

use std::fmt::{self, Write as _};

use actix_web::http::header::{HeaderName, HeaderValue};
use bytes::BytesMut;
use chrono::{Datelike as _, TimeDelta, Timelike as _};
use tollgate_domain::{Time, window::WindowKind};
use tollgate_gate::Metered;
use tollgate_usage::Reading;

const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const QUOTA_LIMIT: HeaderName = HeaderName::from_static("x-quota-limit");
const QUOTA_REMAINING: HeaderName = HeaderName::from_static("x-quota-remaining");
const QUOTA_RESET: HeaderName = HeaderName::from_static("x-quota-reset");
/// How many headers there are at most.
const MOST: usize = 14;
/// About as many bytes as their values have.
const BYTES: usize = 512;

/// The headers that every gated answer to a known caller has.
pub fn of(metered: &Metered, now: Time) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Headers { text: BytesMut::with_capacity(BYTES), made: Vec::with_capacity(MOST) };
    for reading in &metered.readings {
        let [limit, remaining, reset] = names(reading.window);
        headers.add(limit, |text| write!(text, "{}", reading.limit));
        headers.add(remaining, |text| write!(text, "{}", reading.remaining()));
        headers.add(reset, |text| rfc3339(text, reading.resets_at.unwrap_or(now)));
    }
    headers.add(RATELIMIT_POLICY, |text| joined(text, metered, policy));
    headers.add(RATELIMIT, |text| joined(text, metered, |text, reading| state(text, reading, now)));
    if let Some(quota) = &metered.quota {
        headers.add(QUOTA_LIMIT, |text| write!(text, "{}", quota.limit));
        headers.add(QUOTA_REMAINING, |text| write!(text, "{}", quota.remaining()));
        headers.add(QUOTA_RESET, |text| rfc3339(text, quota.resets_at()));
    }
    headers.made
}

/// Headers whose values share one piece of memory.
struct Headers {
    text: BytesMut,
    made: Vec<(HeaderName, HeaderValue)>,
}

impl Headers {
    fn add(&mut self, name: HeaderName, write: impl FnOnce(&mut BytesMut) -> fmt::Result) {
        // Neither fails: there is room for all, and digits, dates and quoted names are a header's characters.
        if write(&mut self.text).is_ok()
            && let Ok(value) = HeaderValue::from_maybe_shared(self.text.split().freeze())
        {
            self.made.push((name, value));
        }
    }
}

fn joined(
    text: &mut BytesMut,
    metered: &Metered,
    each: impl Fn(&mut BytesMut, &Reading) -> fmt::Result,
) -> fmt::Result {
    for (place, reading) in metered.readings.iter().enumerate() {
        if place > 0 {
            text.write_str(", ")?;
        }
        each(text, reading)?;
    }
    Ok(())
}

fn policy(text: &mut BytesMut, reading: &Reading) -> fmt::Result {
    let seconds = reading.window.length_ms() / 1_000;
    write!(text, "\"{}\";q={};w={seconds}", name(reading.window), reading.limit)
}

fn state(text: &mut BytesMut, reading: &Reading, now: Time) -> fmt::Result {
    let seconds = reading.resets_at.map_or(0, |reset| seconds_until(reset, now));
    write!(text, "\"{}\";r={};t={seconds}", name(reading.window), reading.remaining())
}

/// Whole seconds until `then`, rounded up: who waits so long does not come too early.
fn seconds_until(then: Time, now: Time) -> i64 {
    let left = then.signed_duration_since(now).max(TimeDelta::zero());
    left.num_milliseconds().saturating_add(999).div_euclid(1_000)
}

/// RFC 3339 in whole seconds, rounded up.
fn rfc3339(text: &mut BytesMut, time: Time) -> fmt::Result {
    let up = time.checked_add_signed(TimeDelta::microseconds(999_999)).unwrap_or(time);
    let (day, clock) = (up.date_naive(), up.time());
    write!(text, "{:04}-", day.year())?;
    for (number, after) in [
        (day.month(), "-"),
        (day.day(), "T"),
        (clock.hour(), ":"),
        (clock.minute(), ":"),
        (clock.second(), "Z"),
    ] {
        for digit in [number / 10, number % 10] {
            text.write_char(char::from_digit(digit, 10).unwrap_or('0'))?;
        }
        text.write_str(after)?;
    }
    Ok(())
}

const fn name(window: WindowKind) -> &'static str {
    match window {
        WindowKind::Minute => "minute",
        WindowKind::Hour => "hour",
        WindowKind::Day => "day",
    }
}

const fn names(window: WindowKind) -> [HeaderName; 3] {
    match window {
        WindowKind::Minute => {
            const {
                [
                    HeaderName::from_static("x-ratelimit-limit-minute"),
                    HeaderName::from_static("x-ratelimit-remaining-minute"),
                    HeaderName::from_static("x-ratelimit-reset-minute"),
                ]
            }
        }
        WindowKind::Hour => {
            const {
                [
                    HeaderName::from_static("x-ratelimit-limit-hour"),
                    HeaderName::from_static("x-ratelimit-remaining-hour"),
                    HeaderName::from_static("x-ratelimit-reset-hour"),
                ]
            }
        }
        WindowKind::Day => {
            const {
                [
                    HeaderName::from_static("x-ratelimit-limit-day"),
                    HeaderName::from_static("x-ratelimit-remaining-day"),
                    HeaderName::from_static("x-ratelimit-reset-day"),
                ]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(time: &str) -> String {
        let mut text = BytesMut::new();
        rfc3339(&mut text, time.parse().unwrap()).unwrap();
        String::from_utf8(text.to_vec()).unwrap()
    }

    #[test]
    fn resets_are_rounded_up_to_whole_seconds() {
        assert_eq!(text("2026-11-21T09:08:07Z"), "2026-11-21T09:08:07Z");
        assert_eq!(text("2026-11-21T09:08:07.000001Z"), "2026-11-21T09:08:08Z");
        assert_eq!(text("2026-12-31T23:59:59.5Z"), "2027-01-01T00:00:00Z");
        assert_eq!(text("0987-01-02T03:04:05Z"), "0987-01-02T03:04:05Z");
    }
}
