//! Times that a user has chosen.

use std::time::{Duration, Instant};

/// The longest time that makes a difference: longer than any test, and not too long for an
/// `Instant`, however many of them are added.
pub(crate) const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// So much later. Who chooses a time may choose one that is too long to be added.
pub(crate) fn later(now: Instant, time: Duration) -> Instant {
    now + time.min(LONGEST)
}
