#![cfg(test)]

use proptest::prelude::*;

use super::*;

/// Any moment will do; this one is not on a bucket's edge.
const START_US: i64 = 1_795_219_200_345_678;

fn at(offset_us: i64) -> Time {
    Time::from_timestamp_micros(START_US + offset_us).unwrap()
}

#[test]
fn a_bucket_takes_eight_bytes() {
    assert_eq!(size_of::<Bucket>(), 8);
    let mut bucket = Bucket::default();
    bucket.add(1_000_000_000_000, 900_000);
    assert_eq!((bucket.count(), bucket.latest_ms()), (1_000_000_000_000, 900_000));
}

#[test]
fn a_request_leaves_a_full_window_later_and_not_before() {
    for kind in WindowKind::ALL {
        let mut window = Window::new(kind);
        window.add(at(0), 1);
        let length = kind.length_ms() * 1_000;
        assert_eq!(window.inside(at(length - 1_000)), 1);
        assert_eq!(window.inside(at(length + 1_000)), 0, "{kind:?}");
        assert_eq!(window.next_leaves(), None);
    }
}

#[test]
fn free_at_passes_over_as_many_buckets_as_a_lowered_limit_needs() {
    let mut window = Window::new(WindowKind::Minute);
    for second in 0..10 {
        window.add(at(second * 1_000_000), 1);
    }
    assert_eq!(window.inside(at(10_000_000)), 10);
    let second = |n: i64| at(n * 1_000_000 + 60_000_000);
    assert!((window.free_at(10).unwrap() - second(0)).num_milliseconds().abs() <= 1);
    assert!((window.free_at(3).unwrap() - second(7)).num_milliseconds().abs() <= 1);
    assert_eq!(window.free_at(11), None);
}

#[test]
fn what_is_taken_back_was_never_there() {
    let mut window = Window::new(WindowKind::Minute);
    for second in [0, 1, 1, 5] {
        window.add(at(second * 1_000_000), 1);
    }
    window.take_back(at(0));
    window.take_back(at(5_000_000));
    assert_eq!(window.inside(at(6_000_000)), 2);
    window.take_back(at(5_000_000));
    assert_eq!(window.inside(at(6_000_000)), 2, "only what was added can be taken back");
    window.take_back(at(1_000_000));
    window.take_back(at(1_000_000));
    assert_eq!((window.inside(at(6_000_000)), window.next_leaves()), (0, None));
}

#[test]
fn the_queue_stays_short() {
    for (kind, most) in [(WindowKind::Minute, 61), (WindowKind::Hour, 61), (WindowKind::Day, 97)] {
        let mut window = Window::new(kind);
        for step in 0..1_000 {
            let now = at(step * kind.bucket_ms() * 1_000 / 2);
            window.inside(now);
            window.add(now, 1);
            assert!(window.buckets.len() <= most, "{kind:?}: {}", window.buckets.len());
        }
    }
}

proptest! {
    /// The model is the exact log: at every admission fewer than the limit lie in the window before it.
    #[test]
    fn never_more_than_the_limit_in_any_windows_length(
        kind in prop::sample::select(WindowKind::ALL.to_vec()),
        limit in 1_u64..20,
        steps in prop::collection::vec(0_i64..2_000_000, 1..200),
    ) {
        let scale = kind.length_ms() / 60_000;
        let length_us = kind.length_ms() * 1_000;
        let mut window = Window::new(kind);
        let mut admitted: Vec<i64> = Vec::new();
        let mut now_us = 0;
        for step in steps {
            now_us += step * scale;
            let inside = window.inside(at(now_us));
            let exact = admitted.iter().filter(|then| now_us - **then < length_us).count() as u64;
            prop_assert!(inside >= exact, "a request left early");
            let late_us = kind.bucket_ms() * 1_000 + 1_000;
            let late = admitted.iter().filter(|then| now_us - **then < length_us + late_us).count() as u64;
            prop_assert!(inside <= late, "a request left more than a bucket late");
            if inside < limit {
                window.add(at(now_us), 1);
                admitted.push(now_us);
                prop_assert!(exact < limit);
            } else {
                let free = window.free_at(limit).unwrap();
                prop_assert_eq!(window.clone().inside(free) < limit, true);
            }
        }
    }

    /// A replay in any order, or from the window's own entries, gives the same window.
    #[test]
    fn adding_is_commutative(
        times in prop::collection::vec((0_i64..3_000_000_000, 1_u64..5), 1..60),
        seed in any::<u64>(),
    ) {
        for kind in WindowKind::ALL {
            let mut forward = Window::new(kind);
            for (time, count) in &times {
                forward.add(at(*time), *count);
            }
            let mut shuffled = times.clone();
            let by = |time: i64| time.cast_unsigned().wrapping_mul(seed | 1);
            shuffled.sort_by_key(|(time, _)| by(*time));
            let mut other = Window::new(kind);
            for (time, count) in &shuffled {
                other.add(at(*time), *count);
            }
            prop_assert_eq!(&forward, &other);
            let mut again = Window::new(kind);
            for (time, count) in forward.entries() {
                again.add(time, count);
            }
            prop_assert_eq!(&forward, &again);
        }
    }
}
