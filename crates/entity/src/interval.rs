//! How often a check is repeated.

use std::time::Duration;

/// How long to wait between two checks that nothing wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckInterval {
    /// Always the same time.
    Fixed(Duration),
    /// The first time `min`, doubled each time up to `max`.
    Growing {
        /// The first interval.
        min: Duration,
        /// The longest interval.
        max: Duration,
    },
}

impl CheckInterval {
    /// Shorter intervals would only burn the processor.
    const SHORTEST: Duration = Duration::from_millis(1);

    /// Returns the interval after `checks` checks (counted from 1).
    ///
    /// ```
    /// use std::time::Duration;
    /// use standin_entity::CheckInterval;
    ///
    /// let ms = Duration::from_millis;
    /// let growing = CheckInterval::from((ms(100), ms(300)));
    /// assert_eq!([1, 2, 3, 4].map(|n| growing.after(n)), [ms(100), ms(200), ms(300), ms(300)]);
    /// ```
    #[must_use]
    pub fn after(self, checks: u32) -> Duration {
        let interval = match self {
            Self::Fixed(interval) => interval,
            Self::Growing { min, max } => {
                let doubled = 1u32
                    .checked_shl(checks.saturating_sub(1))
                    .unwrap_or(u32::MAX);
                // The first interval is `min`, even when `max` is less.
                if checks <= 1 {
                    min
                } else {
                    min.saturating_mul(doubled).min(max)
                }
            }
        };
        interval.max(Self::SHORTEST)
    }
}

impl Default for CheckInterval {
    /// Growing from 10 ms to 200 ms: soon for what is quick, cheap for what is slow.
    fn default() -> Self {
        Self::Growing {
            min: Duration::from_millis(10),
            max: Duration::from_millis(200),
        }
    }
}

impl From<Duration> for CheckInterval {
    fn from(interval: Duration) -> Self {
        Self::Fixed(interval)
    }
}

impl From<(Duration, Duration)> for CheckInterval {
    fn from((min, max): (Duration, Duration)) -> Self {
        Self::Growing { min, max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_of_zero_does_not_spin() {
        assert_eq!(
            CheckInterval::from(Duration::ZERO).after(1),
            Duration::from_millis(1)
        );
    }

    #[test]
    fn a_growing_interval_never_overflows() {
        let growing = CheckInterval::from((Duration::from_secs(1), Duration::MAX));
        assert!(growing.after(u32::MAX) >= Duration::from_secs(1));
    }
}
