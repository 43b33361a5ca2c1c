//! How work on many events goes on beside others: SQLite has one write lock, which the recorder needs.

use std::time::Duration;

/// The least events of a piece, whatever it takes: a slow commit takes as long for one as for all.
const LEAST: u32 = 500;
/// The most events of a piece.
const MOST: u32 = 10_000;
/// The events of a piece while nobody else waits: what is summed together is written once.
const ALONE: u32 = 50_000;
/// How long a piece may take.
const LONG: Duration = Duration::from_millis(20);
/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_millis(250);

/// The size of the pieces, and the pauses between them.
#[derive(Debug)]
pub struct Pace {
    piece: u32,
    alone: bool,
}

impl Pace {
    /// Large pieces without pauses: while nobody is served.
    pub const fn alone() -> Self {
        Self { piece: ALONE, alone: true }
    }

    /// Pieces of about 20 ms with pauses as long, so that others wait but a little and have half of the time.
    pub const fn beside_others() -> Self {
        Self { piece: LEAST, alone: false }
    }

    /// The events of the next piece.
    pub const fn piece(&self) -> u32 {
        self.piece
    }

    /// Learns from a piece that was as large as asked for, and gives the pause after it.
    pub fn took(&mut self, took: Duration) -> Duration {
        if self.alone {
            return Duration::ZERO;
        }
        if took > LONG {
            self.piece = (self.piece / 2).max(LEAST);
        } else if took < LONG / 2 {
            self.piece = self.piece.saturating_mul(2).min(MOST);
        }
        took.min(MAX_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_as_large_as_fits_in_their_time() {
        let mut pace = Pace::beside_others();
        let sizes: Vec<_> = [5, 5, 15, 25, 1, 1, 1, 1, 1, 1, 90, 90, 90, 90, 90, 90]
            .map(|ms| {
                let took = Duration::from_millis(ms);
                assert_eq!(pace.took(took), took);
                pace.piece()
            })
            .into();
        let up = [1_000, 2_000, 2_000, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000];
        let down = [5_000, 2_500, 1_250, 625, 500, 500];
        assert_eq!(sizes, [&up[..], &down].concat());
        assert_eq!(pace.took(Duration::from_secs(9)), MAX_PAUSE);
    }

    #[test]
    fn who_is_alone_waits_for_nobody() {
        let mut pace = Pace::alone();
        assert_eq!((pace.took(Duration::from_secs(1)), pace.piece()), (Duration::ZERO, ALONE));
    }
}
