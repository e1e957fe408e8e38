//! [`Tick`]: the time of a record.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// What readings are counted from: a number takes less room in a record than an [`Instant`].
static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A moment, as records note it: a reading of the system's monotonic clock. It never jumps with the
/// time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick(pub(crate) u64);

impl Tick {
    /// This moment.
    #[inline]
    pub fn now() -> Self {
        let nanos = BEGIN.elapsed().as_nanos();
        // There is room for five hundred years.
        Self(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The time from `begin` until this one; nothing if that was later.
    pub(crate) fn since(self, begin: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(begin.0))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn keeps_the_time_of_the_systems_clock() {
        let (begin, instant) = (Tick::now(), Instant::now());
        while instant.elapsed() < Duration::from_millis(20) {
            std::hint::spin_loop();
        }
        let inner = instant.elapsed();
        let measured = Tick::now().since(begin);
        // Only a wrong unit is a failure here: the thread may lose the processor anywhere.
        assert!(measured > inner / 2, "{measured:?} for {inner:?}");
        assert!(Tick::now() >= begin);
    }

    #[test]
    fn what_began_later_gives_no_time() {
        assert_eq!(Tick(5).since(Tick(7)), Duration::ZERO);
    }
}
