//! How fast bytes may go.

use std::time::{Duration, Instant};

/// Gives each piece of bytes the time at which it has gone over a line of so many bytes a second.
#[derive(Debug)]
pub(crate) struct Pace {
    bytes_per_second: u64,
    /// When the line is free again.
    free_at: Option<Instant>,
}

/// A timer that is late must not make the line slower: it is caught up with, if it is not more
/// than this late. What was idle for longer gets no credit for it.
const CATCH_UP: Duration = Duration::from_millis(200);

/// For how long a piece occupies the line at most.
const PIECE: u64 = 2;

impl Pace {
    pub(crate) fn new(bytes_per_second: u64) -> Pace {
        Pace {
            bytes_per_second: bytes_per_second.max(1),
            free_at: None,
        }
    }

    /// How many bytes may go as one piece.
    pub(crate) fn piece(&self) -> usize {
        let bytes = (self.bytes_per_second.saturating_mul(PIECE) / 1000).clamp(1, 64 << 10);
        usize::try_from(bytes).unwrap_or(1)
    }

    /// The line has nothing to carry until now.
    pub(crate) fn idle(&mut self, now: Instant) {
        self.free_at = self.free_at.filter(|at| *at > now);
    }

    /// Lets the line carry so many bytes more, and says when they will have arrived.
    pub(crate) fn carry(&mut self, now: Instant, bytes: usize) -> Instant {
        let begin = match self.free_at {
            Some(at) if at + CATCH_UP > now => at,
            _ => now,
        };
        let nanos = bytes as u128 * 1_000_000_000 / u128::from(self.bytes_per_second);
        let end = begin + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX / 4));
        self.free_at = Some(end);
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_carries_what_it_should_however_late_the_timers_are() {
        let start = Instant::now();
        let mut pace = Pace::new(100_000);
        let mut now = start;
        let mut carried = 0;
        while carried < 100_000 {
            let at = pace.carry(now, pace.piece());
            carried += pace.piece();
            if at > now {
                // Each timer is three milliseconds late.
                now = at + Duration::from_millis(3);
            }
        }
        let taken = now - start;
        assert!(taken >= Duration::from_secs(1), "{taken:?}");
        assert!(taken < Duration::from_millis(1010), "{taken:?}");
    }

    #[test]
    fn who_was_idle_gets_no_credit() {
        let start = Instant::now();
        let mut pace = Pace::new(1000);
        pace.carry(start, 1);
        let later = start + Duration::from_millis(150);
        pace.idle(later);
        assert_eq!(pace.carry(later, 10), later + Duration::from_millis(10));
    }
}
