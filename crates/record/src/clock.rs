//! [`Tick`]: the time of a record, which is a reading of the processor's counter, where there is a steady one.
//!
//! A record is to cost a fraction of the system call that it is about, and the system's
//! monotonic clock would be most of it. Readings are kept raw and become times when somebody
//! looks. Where no counter can be trusted, `quanta` reads the system's clock instead.

use std::sync::LazyLock;
use std::time::Duration;

use quanta::Clock;

/// One for the process, because the first one measures how fast the counter is.
static CLOCK: LazyLock<Clock> = LazyLock::new(Clock::new);

/// A moment, as records note it: a reading of the processor's counter where that is steady, of
/// the system's monotonic clock otherwise. It never jumps with the time of day.
///
/// The first one of a process takes the time to measure how fast the counter is, which is less
/// than a millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick(pub(crate) u64);

impl Tick {
    /// This moment.
    #[inline]
    pub fn now() -> Self {
        Self(CLOCK.raw())
    }

    /// The time from `begin` until this one; nothing if the counter went backwards.
    pub(crate) fn since(self, begin: Self) -> Duration {
        Duration::from_nanos(CLOCK.delta_as_nanos(begin.0, self.0))
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
    fn a_clock_that_goes_backwards_gives_no_time() {
        assert_eq!(Tick(5).since(Tick(7)), Duration::ZERO);
    }
}
