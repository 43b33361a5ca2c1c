//! The real clock and the real randomness. Everything else is given them as arguments.

use std::time::{Instant, SystemTime};

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
        Self { wall: Time::from(SystemTime::now()), monotonic: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Time {
        let elapsed = TimeDelta::from_std(self.monotonic.elapsed()).unwrap_or(TimeDelta::MAX);
        clock::to_micros(self.wall.checked_add_signed(elapsed).unwrap_or(Time::MAX_UTC))
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
}
