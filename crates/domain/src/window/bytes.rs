//! Windows as bytes, to be saved: a version, then each window's buckets as numbers of 7 bits a byte.
//!
//! A window is the number of its buckets that are not empty; where there are any, the first one's number
//! (zigzag); and for each bucket how many empty ones come before it, its count and its latest admission in
//! milliseconds since its start. What is read is checked: bytes that no version wrote are refused whole.

use std::collections::VecDeque;

use super::{Bucket, MAX_COUNT, Window, WindowKind, Windows, to_time};

/// The first byte of all that this version writes.
const VERSION: u8 = 1;
/// Bits of a number in each byte.
const GROUP_BITS: u32 = 7;
/// The mark of a byte that another one follows.
const MORE: u8 = 1 << GROUP_BITS;

/// Bytes that are no saved windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are no saved windows")]
pub struct NotWindows;

impl Windows {
    /// The windows as bytes: at most about 2 KB, usually far less.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        self.0.iter().for_each(|window| write_window(&mut bytes, window));
        bytes
    }

    /// Reads what [`Windows::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`NotWindows`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NotWindows> {
        let (VERSION, mut rest) =
            bytes.split_first().map(|(first, rest)| (*first, rest)).ok_or(NotWindows)?
        else {
            return Err(NotWindows);
        };
        let mut windows = Self::default();
        for window in &mut windows.0 {
            *window = read_window(&mut rest, window.kind)?;
        }
        if rest.is_empty() { Ok(windows) } else { Err(NotWindows) }
    }
}

fn write_window(bytes: &mut Vec<u8>, window: &Window) {
    let full = || window.buckets.iter().filter(|bucket| bucket.count() > 0);
    write_number(bytes, u64::try_from(full().count()).unwrap_or(0));
    if full().next().is_some() {
        write_number(bytes, zigzag(window.head));
    }
    let mut empty = 0;
    for bucket in &window.buckets {
        if bucket.count() == 0 {
            empty += 1;
            continue;
        }
        write_number(bytes, std::mem::take(&mut empty));
        write_number(bytes, bucket.count());
        write_number(bytes, bucket.latest_ms().cast_unsigned());
    }
}

fn read_window(bytes: &mut &[u8], kind: WindowKind) -> Result<Window, NotWindows> {
    let mut window = Window::new(kind);
    let full = read_number(bytes)?;
    let most = kind.max_buckets().cast_unsigned();
    if full > most {
        return Err(NotWindows);
    }
    if full > 0 {
        window.head = unzigzag(read_number(bytes)?);
    }
    let mut buckets = VecDeque::new();
    for _ in 0..full {
        let empty = read_number(bytes)?;
        let count = read_number(bytes)?;
        let latest = i64::try_from(read_number(bytes)?).map_err(|_beyond| NotWindows)?;
        // The first bucket is never empty, so that it leaves the window as soon as it may.
        let first_is_empty = buckets.is_empty() && empty > 0;
        if first_is_empty || empty >= most || !(1..=MAX_COUNT).contains(&count) || latest >= kind.bucket_ms()
        {
            return Err(NotWindows);
        }
        buckets.extend((0..empty).map(|_| Bucket::default()));
        let mut bucket = Bucket::default();
        bucket.add(count, latest);
        buckets.push_back(bucket);
        window.total = window.total.saturating_add(count);
    }
    let length = i64::try_from(buckets.len()).unwrap_or(i64::MAX);
    let behind = window.head.checked_add(length).and_then(|number| number.checked_mul(kind.bucket_ms()));
    let leaves = behind.and_then(|ms| ms.checked_add(kind.length_ms()));
    let first = window.head.checked_mul(kind.bucket_ms());
    if length > kind.max_buckets() || leaves.and_then(to_time).is_none() || first.and_then(to_time).is_none()
    {
        return Err(NotWindows);
    }
    window.buckets = buckets;
    Ok(window)
}

/// Signed numbers as unsigned ones, small ones of either sign as small ones.
const fn zigzag(number: i64) -> u64 {
    (number.cast_unsigned() << 1) ^ (number >> (i64::BITS - 1)).cast_unsigned()
}

const fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ (number & 1).cast_signed().wrapping_neg()
}

fn write_number(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= GROUP_BITS;
        if number == 0 {
            bytes.push(low & !MORE);
            return;
        }
        bytes.push(low | MORE);
    }
}

/// Reads one number and moves on; numbers longer than they need be are refused.
fn read_number(bytes: &mut &[u8]) -> Result<u64, NotWindows> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(NotWindows)?;
        *bytes = rest;
        let group = u64::from(byte & !MORE);
        let placed = group << shift;
        if placed >> shift != group || (byte == 0 && shift > 0) {
            return Err(NotWindows);
        }
        number |= placed;
        if byte & MORE == 0 {
            return Ok(number);
        }
    }
    Err(NotWindows)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Time;

    fn at(ms: i64) -> Time {
        Time::from_timestamp_millis(1_795_219_200_345 + ms).unwrap()
    }

    fn filled(times: &[(i64, u64)]) -> Windows {
        let mut windows = Windows::default();
        times.iter().for_each(|(time, count)| windows.add(at(*time), *count));
        windows
    }

    fn times() -> impl Strategy<Value = Vec<(i64, u64)>> {
        // Mostly within an hour, so that buckets fill; some a long way off.
        let time = prop_oneof![4 => 0_i64..3_600_000, 1 => -200_000_000_i64..200_000_000];
        prop::collection::vec((time, prop_oneof![9 => 1_u64..5, 1 => 1_u64..=MAX_COUNT / 200]), 0..120)
    }

    #[test]
    fn windows_of_a_busy_day_are_small() {
        let windows = filled(&(0..86_400).map(|second| (second * 1_000, 100)).collect::<Vec<_>>());
        let bytes = windows.to_bytes().len();
        assert!(bytes < 2_048, "{bytes}");
        assert_eq!(Windows::default().to_bytes(), [VERSION, 0, 0, 0]);
    }

    #[test]
    fn what_no_version_wrote_is_refused() {
        let window = |buckets: &[u64]| {
            let mut bytes = vec![VERSION];
            buckets.iter().for_each(|number| write_number(&mut bytes, *number));
            bytes.extend([0, 0]);
            bytes
        };
        let head = zigzag(1_795_219_200);
        assert!(Windows::from_bytes(&window(&[1, head, 0, 1, 999])).is_ok());
        for (why, bytes) in [
            ("nothing", Vec::new()),
            ("another version", vec![2, 0, 0, 0]),
            ("cut off", vec![VERSION, 0, 0]),
            ("something behind", vec![VERSION, 0, 0, 0, 0]),
            ("an overlong number", vec![VERSION, 0x80, 0x00, 0, 0]),
            ("a number beyond 64 bits", [vec![VERSION, 1], vec![0xFF; 9], vec![2, 0, 1, 0, 0, 0]].concat()),
            ("an empty bucket", window(&[1, head, 0, 0, 999])),
            ("an empty first bucket", window(&[1, head, 1, 1, 999])),
            ("a latest admission behind its bucket", window(&[1, head, 0, 1, 1_000])),
            ("a count beyond", window(&[1, head, 0, MAX_COUNT + 1, 0])),
            ("more than fit", window(&[62, head])),
            ("a window that is too long", window(&[2, head, 0, 1, 0, 60, 1, 0])),
            ("a gap without end", window(&[2, head, 0, 1, 0, u64::MAX, 1, 0])),
            ("a time that is none", window(&[1, zigzag(i64::MAX), 0, 1, 0])),
            ("a time before all", window(&[1, zigzag(i64::MIN), 0, 1, 0])),
        ] {
            assert_eq!(Windows::from_bytes(&bytes), Err(NotWindows), "{why}");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(times in times()) {
            let windows = filled(&times);
            prop_assert_eq!(Windows::from_bytes(&windows.to_bytes()), Ok(windows));
        }

        /// Whatever is cut into parts, each written and read, merges to what adding all of it gives.
        #[test]
        fn merging_what_was_read_is_adding(times in times(), cuts in prop::collection::vec(0_usize..4, 120)) {
            let mut merged = Windows::default();
            for part in 0..4 {
                let of = times.iter().zip(&cuts).filter(|(_, cut)| **cut == part).map(|(time, _)| *time);
                let bytes = filled(&of.collect::<Vec<_>>()).to_bytes();
                merged.merge(&Windows::from_bytes(&bytes).unwrap());
            }
            prop_assert_eq!(merged, filled(&times));
        }

        /// Reading ends in windows or in an error, whatever the bytes; what it accepts was written like that.
        #[test]
        fn any_bytes_are_windows_or_refused(
            times in times(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            keep in any::<prop::sample::Index>(),
        ) {
            let mut bytes = filled(&times).to_bytes();
            for (place, byte) in changes {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            bytes.truncate(keep.index(bytes.len() * 4).max(1));
            if let Ok(windows) = Windows::from_bytes(&bytes) {
                prop_assert_eq!(windows.to_bytes(), bytes);
                let _all_there = windows.clone().is_empty(at(0));
            }
        }
    }
}
