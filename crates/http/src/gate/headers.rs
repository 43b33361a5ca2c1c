//! How the caller's windows and quota stand, as headers: the older systems' names and the IETF's
//! (draft-ietf-httpapi-ratelimit-headers-10).

use actix_web::http::header::{HeaderName, HeaderValue};
use bytes::Bytes;
use chrono::{Datelike as _, TimeDelta, Timelike as _};
use tollgate_domain::{Time, window::WindowKind};
use tollgate_gate::Metered;
use tollgate_usage::Reading;

const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const QUOTA_LIMIT: HeaderName = HeaderName::from_static("x-quota-limit");
const QUOTA_REMAINING: HeaderName = HeaderName::from_static("x-quota-remaining");
const QUOTA_RESET: HeaderName = HeaderName::from_static("x-quota-reset");
/// The digits of the longest number.
const MAX_DIGITS: usize = 20;
const DIGITS: [char; 10] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];
/// How many headers there are at most.
const MOST: usize = 14;
/// About as many bytes as their values have.
const BYTES: usize = 512;

/// The headers that every gated answer to a known caller has.
pub fn of(metered: &Metered, now: Time) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Headers { text: String::with_capacity(BYTES), ends: Vec::with_capacity(MOST) };
    for reading in &metered.readings {
        let [limit, remaining, reset] = names(reading.window);
        headers.add(limit, |text| number(text, reading.limit));
        headers.add(remaining, |text| number(text, reading.remaining()));
        headers.add(reset, |text| rfc3339(text, reading.resets_at.unwrap_or(now)));
    }
    headers.add(RATELIMIT_POLICY, |text| joined(text, metered, policy));
    headers.add(RATELIMIT, |text| joined(text, metered, |text, reading| state(text, reading, now)));
    if let Some(quota) = &metered.quota {
        headers.add(QUOTA_LIMIT, |text| number(text, quota.limit));
        headers.add(QUOTA_REMAINING, |text| number(text, quota.remaining()));
        headers.add(QUOTA_RESET, |text| rfc3339(text, quota.resets_at()));
    }
    headers.made()
}

/// Headers whose values share one piece of memory, one behind the other.
struct Headers {
    text: String,
    /// Each one's name and where its value ends.
    ends: Vec<(HeaderName, usize)>,
}

impl Headers {
    fn add(&mut self, name: HeaderName, write: impl FnOnce(&mut String)) {
        write(&mut self.text);
        self.ends.push((name, self.text.len()));
    }

    fn made(self) -> Vec<(HeaderName, HeaderValue)> {
        let text = Bytes::from(self.text);
        let mut start = 0;
        let value = |(name, end)| {
            let value = text.slice(start..end);
            start = end;
            // Digits, dates and quoted names: always a header's characters.
            HeaderValue::from_maybe_shared(value).ok().map(|value| (name, value))
        };
        self.ends.into_iter().filter_map(value).collect()
    }
}

fn joined(text: &mut String, metered: &Metered, each: impl Fn(&mut String, &Reading)) {
    for (place, reading) in metered.readings.iter().enumerate() {
        if place > 0 {
            text.push_str(", ");
        }
        each(text, reading);
    }
}

fn policy(text: &mut String, reading: &Reading) {
    text.extend(["\"", name(reading.window), "\";q="]);
    number(text, reading.limit);
    text.push_str(";w=");
    number(text, reading.window.length_ms().unsigned_abs() / 1_000);
}

fn state(text: &mut String, reading: &Reading, now: Time) {
    text.extend(["\"", name(reading.window), "\";r="]);
    number(text, reading.remaining());
    text.push_str(";t=");
    number(text, reading.resets_at.map_or(0, |reset| seconds_until(reset, now)));
}

/// Whole seconds until `then`, rounded up: who waits so long does not come too early.
fn seconds_until(then: Time, now: Time) -> u64 {
    let left = then.signed_duration_since(now).num_milliseconds();
    u64::try_from(left).unwrap_or(0).div_ceil(1_000)
}

/// A number in digits.
fn number(text: &mut String, mut number: u64) {
    let mut digits = [0; MAX_DIGITS];
    let mut first = MAX_DIGITS;
    for place in (0..MAX_DIGITS).rev() {
        digits[place] = number % 10;
        first = place;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    text.extend(digits[first..].iter().map(|digit| DIGITS[usize::try_from(*digit).unwrap_or(0)]));
}

/// RFC 3339 in whole seconds, rounded up.
fn rfc3339(text: &mut String, time: Time) {
    let up = time.checked_add_signed(TimeDelta::microseconds(999_999)).unwrap_or(time);
    let (day, clock) = (up.date_naive(), up.time());
    let year = day.year().unsigned_abs();
    for (number, after) in [
        (year / 100, ""),
        (year % 100, "-"),
        (day.month(), "-"),
        (day.day(), "T"),
        (clock.hour(), ":"),
        (clock.minute(), ":"),
        (clock.second(), "Z"),
    ] {
        let digit = |digit: u32| DIGITS[usize::try_from(digit % 10).unwrap_or(0)];
        text.push(digit(number / 10));
        text.push(digit(number));
        text.push_str(after);
    }
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

    fn written(write: impl FnOnce(&mut String)) -> String {
        let mut text = String::new();
        write(&mut text);
        text
    }

    fn text(time: &str) -> String {
        written(|text| rfc3339(text, time.parse().unwrap()))
    }

    #[test]
    fn numbers_are_written_out() {
        for of in [0, 7, 10, 999, 1_000_000_000_000, u64::MAX] {
            assert_eq!(written(|text| number(text, of)), of.to_string());
        }
    }

    #[test]
    fn waits_are_rounded_up_and_never_negative() {
        let at = |ms: i64| Time::from_timestamp_millis(1_795_219_200_000 + ms).unwrap();
        for (ms, seconds) in [(0, 0), (1, 1), (1_000, 1), (1_001, 2), (-5_000, 0)] {
            assert_eq!(seconds_until(at(ms), at(0)), seconds, "{ms}");
        }
    }

    #[test]
    fn resets_are_rounded_up_to_whole_seconds() {
        assert_eq!(text("2026-11-21T09:08:07Z"), "2026-11-21T09:08:07Z");
        assert_eq!(text("2026-11-21T09:08:07.000001Z"), "2026-11-21T09:08:08Z");
        assert_eq!(text("2026-12-31T23:59:59.5Z"), "2027-01-01T00:00:00Z");
        assert_eq!(text("0987-01-02T03:04:05Z"), "0987-01-02T03:04:05Z");
    }
}
