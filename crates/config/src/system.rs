//! The real clock and the real randomness. Everything else is given them as arguments.

use std::{
    cell::RefCell,
    time::{Instant, SystemTime},
};

use chrono::TimeDelta;
use tollgate_domain::{Clock, Randomness, Time, clock};

/// Tells the time: the wall clock at start plus a monotonic clock since, so that it never goes backwards
/// when somebody sets the machine's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    wall: Time,
    monotonic: Instant,
}

impl SystemClock {
    /// A clock that starts from the machine's present time.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one clock that asks the machine")]
    pub fn start() -> Self {
        Self { wall: clock::to_micros(Time::from(SystemTime::now())), monotonic: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Time {
        let elapsed = i64::try_from(self.monotonic.elapsed().as_micros()).unwrap_or(i64::MAX);
        let elapsed = TimeDelta::microseconds(elapsed);
        self.wall.checked_add_signed(elapsed).unwrap_or(Time::MAX_UTC)
    }
}

/// The randomness of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandomness;

impl Randomness for OsRandomness {
    fn fill(&self, buffer: &mut [u8]) {
        if let Err(error) = os_random(buffer) {
            no_randomness(error);
        }
    }
}

/// Bytes that [`IdRandomness`] asks the system for at a time.
const ID_BYTES: usize = 4_096;

/// The randomness of the operating system, taken a page at a time: for ids, of which every request has
/// some, and which need to be unique and no secret. Each byte is given out once, and wiped then.
#[derive(Debug, Clone, Copy, Default)]
pub struct IdRandomness;

/// What is left of a thread's page: everything from `used` on.
struct Page {
    bytes: [u8; ID_BYTES],
    used: usize,
}

thread_local! {
    static PAGE: RefCell<Page> = const { RefCell::new(Page { bytes: [0; ID_BYTES], used: ID_BYTES }) };
}

impl Randomness for IdRandomness {
    fn fill(&self, buffer: &mut [u8]) {
        if buffer.len() > ID_BYTES {
            return OsRandomness.fill(buffer);
        }
        PAGE.with_borrow_mut(|page| {
            if page.used.saturating_add(buffer.len()) > ID_BYTES {
                OsRandomness.fill(&mut page.bytes);
                page.used = 0;
            }
            let end = page.used.saturating_add(buffer.len());
            let given = &mut page.bytes[page.used..end];
            buffer.copy_from_slice(given);
            given.fill(0);
            page.used = end;
        });
    }
}

/// Fills `buffer` with random bytes of the operating system.
///
/// # Errors
/// When the system has none to give. [`OsRandomness`] ends the process then, because no secret that it
/// could make up would be one.
#[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
pub fn os_random(buffer: &mut [u8]) -> Result<(), getrandom::Error> {
    getrandom::fill(buffer)
}

/// Ends the process at once: going on would make keys that can be guessed.
fn no_randomness(error: getrandom::Error) -> ! {
    use std::io::Write as _;
    let _unwritable = writeln!(std::io::stderr(), "the operating system gives no randomness: {error}");
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn time_is_in_whole_microseconds_and_never_goes_backwards() {
        let clock = SystemClock::start();
        let times: Vec<Time> = (0..1_000).map(|_| clock.now()).collect();
        assert!(times.is_sorted());
        assert!(times.iter().all(|&time| time == clock::to_micros(time)));
    }

    #[test]
    fn randomness_fills_the_whole_buffer() {
        // 64 zero bytes in a row would be a 2^-512 chance.
        let mut buffer = [0; 256];
        OsRandomness.fill(&mut buffer);
        assert!(buffer.chunks(64).all(|chunk| chunk.iter().any(|&byte| byte != 0)));
    }

    #[test]
    fn ids_are_random_across_pages_and_never_given_out_twice() {
        let mut seen = HashSet::new();
        for _ in 0..3 * ID_BYTES / 10 {
            let mut id = [0; 10];
            IdRandomness.fill(&mut id);
            assert!(id.iter().any(|&byte| byte != 0));
            assert!(seen.insert(id));
        }
        let mut large = [0; 2 * ID_BYTES];
        IdRandomness.fill(&mut large);
        assert!(large.chunks(64).all(|chunk| chunk.iter().any(|&byte| byte != 0)));
    }
}
